// RotNet (Gidaris, Singh & Komodakis 2018, "Unsupervised representation learning by predicting
// image rotations"): tell by how many quarter turns a picture was rotated. Flip and crop come
// before the turn: a crop after it would show the border.
#include "train/classification.h"

namespace autodidact {
namespace {

struct RotationKeys {
  ClassificationKeys classification;
  std::string rotations = "random";
  void visit(Keys& k) {
    classification.visit(k);
    k("rotations", rotations,
      "random: one of four a picture; all: four copies of each in the batch (the paper)",
      {"random", "all"});
  }
};

}  // namespace

std::unique_ptr<Method> make_rotation(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  RotationKeys keys;
  recipe.read(keys);
  return std::make_unique<Classification>(
      keys.classification, std::vector<std::string>{"0", "90", "180", "270"},
      keys.rotations == "all" ? Rotation::all : Rotation::random, data, dtype);
}

}  // namespace autodidact
