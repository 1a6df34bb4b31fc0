// Supervised training: the labels are the data's. Also fine-tuning, with `init` (train/run.h) and
// few labels.
#include "train/classification.h"

namespace autodidact {
namespace {

struct SupervisedKeys {
  ClassificationKeys classification;
  void visit(Keys& k) {
    classification.visit(k);
    classification.mix.visit(k);
  }
};

}  // namespace

std::unique_ptr<Method> make_supervised(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  if (data.classes.empty())
    fail(ErrorKind::data,
         "supervised: the data has no labels; a folder needs one sub-folder a class");
  SupervisedKeys keys;
  recipe.read(keys);
  return std::make_unique<Classification>(keys.classification, data.classes, Rotation::none, data,
                                          dtype);
}

}  // namespace autodidact
