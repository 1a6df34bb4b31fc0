// Parity of transformers: timm's Vision Transformer and a masked autoencoder in PyTorch, with the
// same weights, pictures and masks. tests/parity/transformers.py made the files: those under
// tests/parity/golden/transformers are of small networks, those in
// $AUTODIDACT_PARITY_VECTORS/transformers of the papers' widths.
#include <doctest/doctest.h>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include "engine/optimizer.h"
#include "engine/safetensors.h"
#include "models/mae.h"

using namespace autodidact;
namespace fs = std::filesystem;

namespace {

struct Case {
  fs::path path;
  TensorFile file;
  const std::string& fact(const std::string& key) const { return file.metadata.at(key); }
  int integer(const std::string& key) const { return std::stoi(fact(key)); }
  EncoderOptions encoder() const {
    EncoderOptions o{.name = "vit_tiny", .width = integer("width")};
    o.side = integer("side"), o.patch = integer("patch");
    o.depth = integer("depth"), o.heads = integer("heads");
    if (fact("kind") == "vit") o.pool = fact("pool"), o.positions = "learned";
    return o;
  }
  TensorFile weights() const {
    TensorFile w;
    for (auto& [name, tensor] : file.tensors)
      if (name.rfind("weight.", 0) == 0) w.tensors[name.substr(7)] = tensor;
    return w;
  }
  // The largest |ours - theirs|; of a key's bias only what has a gradient (a shift of all logits of
  // a query changes nothing, and Adam enlarges the rounding that is left).
  double difference(const std::string& name, const Tensor& ours, double* largest = nullptr) const {
    REQUIRE_MESSAGE(file.tensors.count(name) == 1, name);
    const Tensor &theirs = file.tensors.at(name), values = cast(detach(ours), Dtype::f32);
    REQUIRE_MESSAGE(theirs.size() == values.size(), name);
    const bool qkv = name.ends_with("qkv.bias");
    double worst = 0;
    for (int64_t i = 0; i < theirs.size(); ++i) {
      if (qkv && i >= theirs.size() / 3 && i < theirs.size() / 3 * 2) continue;
      double a = ptr<float>(values)[i], b = ptr<float>(theirs)[i];
      worst = std::isnan(a) ? INFINITY : std::max(worst, std::abs(a - b));
      if (largest) *largest = std::max(*largest, std::abs(b));
    }
    return worst;
  }
};

std::vector<Case> cases() {
  std::vector<Case> found;
  std::vector<fs::path> folders{SOURCE_DIR "/tests/parity/golden/transformers"};
  if (const char* whole = std::getenv("AUTODIDACT_PARITY_VECTORS"))
    folders.push_back(fs::path(whole) / "transformers");
  for (auto& folder : folders)
    for (auto& entry : fs::directory_iterator(folder))
      found.push_back({entry.path(), read_safetensors(entry.path().string())});
  return found;
}

struct Network {
  const Case& c;
  Rng rng{1};
  std::unique_ptr<Classifier> classifier;
  std::unique_ptr<MaskedAutoencoder> mae;
  Parameters parameters;
  Tensor images, labels;
  PatchMask mask;

  Network(const Case& of, Dtype dtype) : c(of) {
    images = cast(c.file.tensors.at("images"), dtype);
    const int batch = images.shape[0];
    if (c.fact("kind") == "vit") {
      classifier = std::make_unique<Classifier>(c.encoder(), c.integer("classes"), rng);
      load_strict(*classifier, c.weights(), {}, "timm");
      parameters = Parameters(*classifier, dtype);
      labels = empty({batch}, Dtype::i32);
      for (int i = 0; i < batch; ++i) ptr<int32_t>(labels)[i] = i % c.integer("classes");
      return;
    }
    auto vit = dynamic_cast<VisionTransformer*>(make_encoder(c.encoder(), rng).release());
    mae = std::make_unique<MaskedAutoencoder>(
        std::unique_ptr<VisionTransformer>(vit),
        DecoderSizes{c.integer("decoder_width"), c.integer("decoder_depth"),
                     c.integer("decoder_heads")},
        rng);
    load_strict(*mae, c.weights(), {}, "PyTorch");
    for (auto& [name, tensor, role] : named_tensors(*mae))
      if (role == Role::buffer) *tensor = cast(*tensor, dtype);
    parameters = Parameters(*mae, dtype);
    mask.visible = c.file.tensors.at("visible");
    mask.place = full({batch, mae->patches()}, -1, Dtype::i32);
    for (int n = 0; n < batch; ++n)
      for (int i = 0; i < mask.kept(); ++i)
        ptr<int32_t>(
            mask.place)[n * mae->patches() + ptr<int32_t>(mask.visible)[n * mask.kept() + i]] = i;
  }
  Tensor output() const { return classifier ? (*classifier)(images) : (*mae)(images, mask); }
  Tensor loss(const Tensor& out) const {
    if (classifier) return cross_entropy(out, labels);
    return patch_loss(out, images, mae->patch(), mask, c.integer("normalize") != 0);
  }
};

// Without the class token's row, which PyTorch's side leaves out.
Tensor patches_of(const Network& n, const Tensor& out) {
  if (n.classifier) return out;
  const int N = out.shape[0], all = out.shape[1] * out.shape[2];
  return slice_columns(reshape(detach(out), {N, all}), out.shape[2], all);
}

}  // namespace

TEST_CASE("parity: transformers' outputs, losses and gradients are timm's and PyTorch's") {
  std::vector<Case> all = cases();
  REQUIRE(all.size() >= 4);
  for (const Case& c : all) {
    CAPTURE(c.path.string());
    Network n(c, Dtype::f32);
    Tensor out = n.output(), loss = n.loss(out);
    CHECK(c.difference("output", patches_of(n, out)) <= 1e-4);
    CHECK(c.difference("loss", loss) <= 1e-4);
    backward(loss);
    TensorFile gradients;
    store(gradients, stored_tensors(n.parameters, n.parameters.grad));
    for (auto& entry : gradients.tensors) {  // Clang 14 captures no structured bindings
      double largest = 0, worst = c.difference("gradient." + entry.first, entry.second, &largest);
      CHECK_MESSAGE(worst <= 1e-3 * largest,
                    entry.first << ": gradient differs by " << worst << " of " << largest);
    }
  }
}

TEST_CASE("parity: ten AdamW steps of transformers end where PyTorch's end") {
  for (const Case& c : cases()) {
    CAPTURE(c.path.string());
    Network n(c, c.fact("steps_dtype") == "f64" ? Dtype::f64 : Dtype::f32);
    Optimizer optimizer(
        n.parameters,
        {.rule = Rule::adamw, .weight_decay = 0.05f, .decay_scalars = false, .beta2 = 0.95f});
    Tensor losses = empty({10});
    for (int step = 0; step < 10; ++step) {
      Tensor loss = n.loss(n.output());
      ptr<float>(losses)[step] = *ptr<float>(cast(detach(loss), Dtype::f32));
      backward(loss);
      optimizer.update(1e-3);
    }
    CHECK(c.difference("steps.losses", losses) <= 1e-4);
    TensorFile weights;
    store(weights, stored_tensors(n.parameters, n.parameters.value));
    for (auto& entry : weights.tensors) {
      const double worst = c.difference("steps." + entry.first, entry.second);
      CHECK_MESSAGE(worst <= 1e-4, entry.first << ": weight differs by " << worst);
    }
  }
}
