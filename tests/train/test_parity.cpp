// Parity with PyTorch: the networks with the same weights on the same images give its logits,
// gradients, running statistics and ten optimizer steps. tests/parity/vectors.py made the files:
// those under tests/parity/golden are sampled, those in $AUTODIDACT_PARITY_VECTORS are whole.
#include <doctest/doctest.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include "engine/optimizer.h"
#include "models/encoder.h"
#include "tests/train/parity_numbers.h"
#include "tests/winograd_scope.h"

using namespace autodidact;
namespace fs = std::filesystem;

namespace {

struct Case {
  fs::path path;
  TensorFile expected;
  double number(const std::string& key) const { return std::stod(expected.metadata.at(key)); }
  int integer(const std::string& key) const { return std::stoi(expected.metadata.at(key)); }
  EncoderOptions options() const {
    return {.name = expected.metadata.at("name"),
            .width = integer("width"),
            .imagenet_stem = integer("imagenet_stem") != 0,
            .groups = integer("groups")};
  }

  std::pair<double, double> difference(const std::string& name, const Tensor& ours) const {
    return parity_difference(expected, name, ours);
  }
  void check_absolute(const std::string& name, const Tensor& ours, double bound) const {
    double worst = difference(name, ours).first;
    CHECK_MESSAGE(worst <= bound, name << " differs by " << worst);
  }
};

std::vector<Case> cases() {
  std::vector<Case> found;
  std::vector<fs::path> folders{SOURCE_DIR "/tests/parity/golden"};
  if (const char* whole = std::getenv("AUTODIDACT_PARITY_VECTORS")) folders.push_back(whole);
  for (auto& folder : folders)
    for (auto& entry : fs::directory_iterator(folder))
      if (entry.path().extension() == ".safetensors")
        found.push_back({entry.path(), read_safetensors(entry.path().string())});
  return found;
}

struct Network {
  Rng rng{1};
  Classifier model;
  Parameters parameters;
  Tensor images, labels;

  Network(const Case& c, Dtype dtype) : model(c.options(), 10, rng) {
    load_strict(model, weights_for(model), {}, "the formula");
    for (auto& [name, tensor, role] : named_tensors(model))
      if (role == Role::buffer && tensor->shape.rank() == 1) *tensor = cast(*tensor, dtype);
    parameters = Parameters(model, dtype);
    int batch = c.integer("batch"), size = c.integer("size");
    images = empty({batch, size, size, 3});
    fill_numbers(images, uint32_t(c.integer("images")), 4, 0);
    images = cast(images, dtype);
    labels = empty({batch}, Dtype::i32);
    for (int i = 0; i < batch; ++i) ptr<int32_t>(labels)[i] = i % 10;
  }
  Tensor evaluation_logits() {
    set_training(model, false);
    Frozen frozen(parameters);
    Tensor logits = model(images);
    set_training(model, true);
    return logits;
  }
};

}  // namespace

TEST_CASE("parity: logits, gradients and running statistics are PyTorch's") {
  std::vector<Case> all = cases();
  REQUIRE(all.size() >= 3);
  for (Case& c : all) {
    CAPTURE(c.path.string());
    Network n(c, Dtype::f32);
    c.check_absolute("evaluation.logits", n.evaluation_logits(), 1e-4);
    // Gradients by direct sums: the images keep every ReLU's input 8e-6 away from zero in PyTorch,
    // and Winograd's forward pass rounds by more than that in a wide network. One ReLU on the
    // other side is another gradient. Its passes are held to f64 in test_winograd.cpp.
    const WinogradScope direct(false);
    Tensor logits = n.model(n.images);
    c.check_absolute("training.logits", logits, 1e-4);
    backward(cross_entropy(logits, n.labels));
    TensorFile gradients;
    store(gradients, stored_tensors(n.parameters, n.parameters.grad));
    CHECK(gradients.tensors.size() == n.parameters.segments().size());
    for (auto& entry : gradients.tensors) {  // Clang 14 captures no structured bindings
      auto difference = c.difference("gradient." + entry.first, entry.second);
      CHECK_MESSAGE(difference.first <= 1e-3 * difference.second,
                    entry.first << ": gradient differs by " << difference.first << " of "
                                << difference.second);
    }
    for (auto& [name, tensor, role] : named_tensors(n.model))
      if (role == Role::buffer && tensor->shape.rank() == 1)
        c.check_absolute("buffer." + name, *tensor, 1e-4);
  }
}

TEST_CASE("parity: ten steps of SGD and AdamW end where PyTorch's end") {
  for (Case& c : cases())
    for (std::string rule : {"sgd", "adamw"}) {
      CAPTURE(c.path.string());
      CAPTURE(rule);
      // Whole files take their steps in f64: over ten steps of a wide network in f32 some ReLU's
      // input crosses zero in one program and not in the other (vectors.py).
      Network n(c, c.expected.metadata.at("steps_dtype") == "f64" ? Dtype::f64 : Dtype::f32);
      OptimizerOptions sgd{.weight_decay = 0x1p-11f, .momentum = 0.875f, .nesterov = true};
      OptimizerOptions adamw{
          .rule = Rule::adamw, .weight_decay = 0.05f, .eps = float(c.number("adamw_eps"))};
      Optimizer optimizer(n.parameters, rule == "sgd" ? sgd : adamw);
      Tensor losses = empty({10});
      for (int step = 0; step < 10; ++step) {
        Tensor loss = cross_entropy(n.model(n.images), n.labels);
        ptr<float>(losses)[step] = *ptr<float>(cast(loss, Dtype::f32));
        backward(loss);
        optimizer.update(c.number(rule + "_lr"));
      }
      c.check_absolute(rule + ".losses", losses, 1e-4);
      TensorFile weights;
      store(weights, stored_tensors(n.parameters, n.parameters.value));
      for (auto& [name, weight] : weights.tensors)
        c.check_absolute(rule + ".weight." + name, weight, 1e-4);
      c.check_absolute(rule + ".logits", n.evaluation_logits(), 1e-4);
    }
}

// tests/parity/run.sh: torchvision's files in, ours out for torchvision to load.
TEST_CASE("parity: torchvision's weights load strictly, and ours are written for it") {
  const char* folder = std::getenv("AUTODIDACT_PARITY_EXCHANGE");
  if (!folder) {
    std::puts("SKIPPED: parity: weights exchanged with torchvision (tests/parity/run.sh)");
    return;
  }
  for (std::string name : {"resnet18", "resnet50"}) {
    CAPTURE(name);
    std::string path = std::string(folder) + "/" + name;
    TensorFile reference = read_safetensors(path + ".logits");
    Rng rng(1);
    EncoderOptions options{.name = name, .imagenet_stem = true};
    Classifier theirs(options, 1000, rng), ours(options, 1000, rng);
    load_strict(theirs, read_safetensors(path + ".safetensors"), {}, name);
    set_training(theirs, false);
    Tensor images = reference.tensors.at("images");
    Tensor logits = theirs(images), wanted = reference.tensors.at("logits");
    double worst = 0;
    for (int64_t i = 0; i < logits.size(); ++i)
      worst = std::max(worst, double(std::abs(ptr<float>(logits)[i] - ptr<float>(wanted)[i])));
    MESSAGE(name << ": torchvision's weights here: logits differ by " << worst);
    CHECK(worst <= 1e-4);

    ours(images), ours(images);  // running statistics that are not 0 and 1
    set_training(ours, false);
    std::string out = std::string(folder) + "/ours/" + name;
    TensorFile file, case_file;
    store(file, stored_tensors(named_tensors(ours)));
    write_safetensors(out + ".safetensors", file);
    case_file.tensors = {{"images", images}, {"logits", ours(images)}};
    write_safetensors(out + ".logits", case_file);
  }
}
