// Parity with PyTorch: test-time training in standard mode. The same Y-shaped network on the same
// 32 views of a picture has PyTorch's weights after 1, 3 and 10 steps. tests/parity/adaptation.py
// made the files: that under tests/parity/golden is sampled, those in $AUTODIDACT_PARITY_VECTORS
// are whole.
#include <doctest/doctest.h>
#include <cstdlib>
#include <filesystem>
#include "tests/train/parity_numbers.h"
#include "ttt/adapter.h"

using namespace autodidact;
namespace fs = std::filesystem;

namespace {

std::vector<TensorFile> files() {
  std::vector<fs::path> folders{SOURCE_DIR "/tests/parity/golden"};
  if (const char* whole = std::getenv("AUTODIDACT_PARITY_VECTORS")) folders.push_back(whole);
  std::vector<TensorFile> found;
  for (auto& folder : folders)
    found.push_back(read_safetensors((folder / "ttt" / "resnet26.safetensors").string()));
  return found;
}

}  // namespace

TEST_CASE("parity: standard steps end where PyTorch's end") {
  for (const TensorFile& expected : files()) {
    auto integer = [&](const char* key) { return std::stoi(expected.metadata.at(key)); };
    const int side = integer("side");
    JointKeys keys;
    keys.model.encoder.name = "resnet26", keys.model.encoder.width = integer("width");
    keys.augmentation.crop_padding = integer("padding");
    std::vector<std::string> classes;
    for (int c = 0; c < 10; ++c) classes.push_back(std::to_string(c));
    JointTraining method(keys, {side, classes}, Dtype::f32);
    TensorFile start = weights_for(method);
    load_strict(method, start, {}, "the formula");

    Tensor drawn = empty({side, side, 3});
    fill_numbers(drawn, 1000, 1, 0);
    std::vector<uint8_t> picture;
    for (int64_t i = 0; i < drawn.size(); ++i)
      picture.push_back(uint8_t((ptr<float>(drawn)[i] + 0.5f) * 256));
    const int64_t key = integer("key");
    AdaptOptions options;
    options.keep = Keep::standard, options.copies = integer("copies");
    options.learning_rate = std::stod(expected.metadata.at("rate"));
    options.seed = uint64_t(integer("seed"));
    const float* losses = ptr<const float>(expected.tensors.at("losses"));
    for (int steps : {1, 3, 10}) {
      CAPTURE(integer("width"));
      CAPTURE(steps);
      options.steps = steps;
      Adapter adapter(method, options);
      const Observed seen = adapter.observe(picture.data(), &key, 1, side);
      CHECK(seen.first_loss == doctest::Approx(losses[0]).epsilon(1e-5));
      CHECK(seen.last_loss == doctest::Approx(losses[steps - 1]).epsilon(1e-4));
      TensorFile weights;
      store(weights, stored_tensors(adapter.parameters(), adapter.parameters().value));
      double differ = 0, moved = 0;
      for (auto& entry : weights.tensors) {  // Clang 14 captures no structured bindings
        const std::string name = std::to_string(steps) + "." + entry.first;
        const auto difference = parity_difference(expected, name, entry.second);
        const double worst = difference.first, largest = difference.second;
        CHECK_MESSAGE(worst <= 1e-4 * largest,
                      name << " differs by " << worst << " of " << largest);
        differ += worst;
        moved += parity_difference(expected, name, start.tensors.at(entry.first)).first;
      }
      // A step moves weights little, so that the bar alone would miss one that was not made. In f32
      // some ReLU's input lies across zero from PyTorch's: no bound on a single tensor's movement.
      CHECK(differ <= 0.05 * moved);
      adapter.reset();
    }
  }
}
