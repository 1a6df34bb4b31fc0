#include "train/exchange.h"
#include <algorithm>
#include <set>
#include "train/classification.h"
#include "train/run.h"

namespace autodidact {
namespace {

int64_t count_parameters(const std::vector<NamedTensor>& network, const TensorFile& file) {
  int64_t count = 0;
  for (const NamedTensor& t : network)
    if (t.role != Role::buffer && file.tensors.count(t.name)) count += t.tensor->size();
  return count;
}

}  // namespace

Exchanged export_weights(const std::string& out, const std::string& checkpoint, bool encoder) {
  LoadedMethod loaded = load_method(checkpoint);
  Exchanged e;
  for (const std::string& head : loaded.method->heads())
    e.head += (e.head.empty() ? "" : ", ") + head;
  std::set<std::string> of_encoder;
  for (const NamedTensor& t : named_tensors(loaded.method->encoder())) of_encoder.insert(t.name);
  TensorFile file;
  for (auto& [name, tensor] : loaded.checkpoint.file.tensors) {
    const bool of_run = name.rfind("optimizer.", 0) == 0 || name.rfind("method.", 0) == 0;
    if (encoder ? of_encoder.count(name) > 0 : !of_run) file.tensors[name] = tensor;
  }
  write_safetensors(out, file, {}, [](const std::string& written) { read_safetensors(written); });
  e.tensors = int64_t(file.tensors.size());
  e.parameters = count_parameters(named_tensors(*loaded.method), file);
  return e;
}

Exchanged import_weights(const std::string& out, const std::string& weights, Recipe recipe) {
  TensorFile file = read_weights(weights);
  RunKeys keys;
  recipe.read(keys);
  if (keys.image_size == 0)
    fail(ErrorKind::usage, "import: set image_size, the side of the pictures it was trained on");
  ClassificationKeys network;
  recipe.read(network);
  recipe.check_all_known();
  Rng rng(uint64_t(keys.seed));
  auto encoder = make_encoder(network.model.for_side(int(keys.image_size)), rng);
  Exchanged e{.head = encoder->head_name()};
  auto head = file.tensors.find(e.head + ".weight");
  if (head == file.tensors.end() || head->second.shape.rank() == 0)
    fail(ErrorKind::checkpoint, weights, ": has no ", e.head, ".weight; `autodidact train --init` ",
         "starts from an encoder alone");
  const int outputs = head->second.shape[0];
  Classifier model(std::move(encoder), outputs, rng);
  const std::vector<NamedTensor> tensors = named_tensors(model);
  load_strict(stored_tensors(tensors), file, {}, weights);

  std::vector<std::string> names;
  for (int i = 0; i < outputs; ++i) names.push_back(std::to_string(i));
  Checkpoint c;
  store(c.file, stored_tensors(tensors));
  c.facts = {{"method", "supervised"},
             {"recipe", recipe.resolved()},
             {"outputs", outputs_fact(names)},
             {"side", std::to_string(keys.image_size)}};
  write_checkpoint(out, c);
  e.tensors = int64_t(c.file.tensors.size()), e.parameters = count_parameters(tensors, c.file);
  return e;
}

}  // namespace autodidact
