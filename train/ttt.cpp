#include "train/ttt.h"

namespace autodidact {

void JointKeys::visit(Keys& k) {
  model.visit(k);
  augmentation.visit(k);
  k("objective", objective, "joint: labels and turns; main: labels alone, the baseline",
    {"joint", "main"});
  k("split", split, "the last block that both tasks share");
  k("rotations", rotations, "random: one of four a picture; all: four copies of each in the batch",
    {"random", "all"});
}

static YNetwork make_network(const JointKeys& keys, const DataFacts& data) {
  Rng rng = data.rng(Stream::init);
  return YNetwork(keys.model.for_side(data.side), keys.split, int(data.classes.size()),
                  keys.objective == "joint" ? 4 : 0, rng);
}

JointTraining::JointTraining(const JointKeys& keys, const DataFacts& data, Dtype dtype)
    : outputs_(data.classes),
      rotation_(keys.rotations == "all" ? Rotation::all : Rotation::random),
      augmentation_(keys.augmentation.options(data.seed)),
      dtype_(dtype),
      network_(make_network(keys, data)) {}

// The turned pictures have the crop and the flip of the upright ones: both come from the same
// draws.
Tensor JointTraining::loss(const Batch& batch, Metrics& metrics) {
  NetworkInput upright = augment(batch, augmentation_, dtype_, device());
  const Tensor& labels = labels_of(upright);
  Tensor logits = network_(upright.x);
  Tensor loss = cross_entropy(logits, labels);
  metrics = {{"loss", double(item<float>(loss))},
             {"accuracy", count_right(logits, labels) / logits.shape[0]}};
  if (!network_.branch) return loss;
  Augmentation turning = augmentation_;
  turning.rotation = rotation_;
  NetworkInput turned = augment(batch, turning, dtype_, device());
  Tensor answers = network_.self_supervised(turned.x);
  Tensor turn_loss = cross_entropy(answers, turned.turns);
  metrics.emplace_back("rotation_loss", double(item<float>(turn_loss)));
  metrics.emplace_back("rotation_accuracy", count_right(answers, turned.turns) / answers.shape[0]);
  return loss + turn_loss;
}

Metrics JointTraining::evaluate(Loader& pictures, const std::function<bool()>& stop) {
  Augmentation untouched;
  untouched.normalization = augmentation_.normalization;
  Augmentation turning = untouched;
  turning.rotation = Rotation::all;
  double loss = 0, right = 0, turns_right = 0, seen = 0;
  for (int64_t b = 0; b < pictures.batches_per_epoch(); ++b) {
    if (stop()) return {};
    const Batch& batch = pictures.next();
    if (batch.count == 0) continue;  // all damaged
    NetworkInput in = augment(batch, untouched, dtype_, device());
    const Tensor labels = labels_of(in), logits = network_(in.x);
    loss += double(item<float>(cross_entropy(logits, labels))) * batch.count;
    right += count_right(logits, labels);
    seen += batch.count;
    if (!network_.branch) continue;
    NetworkInput turned = augment(batch, turning, dtype_, device());
    turns_right += count_right(network_.self_supervised(turned.x), turned.turns) / 4;
  }
  check(seen > 0, "evaluate: the data set is empty");
  Metrics m = {{"test_loss", loss / seen}, {"test_accuracy", right / seen}};
  if (network_.branch) m.emplace_back("test_rotation_accuracy", turns_right / seen);
  return m;
}

std::unique_ptr<Method> make_ttt(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  if (data.classes.empty())
    fail(ErrorKind::data, "ttt: the data has no labels; a folder needs one sub-folder a class");
  JointKeys keys;
  recipe.read(keys);
  return std::make_unique<JointTraining>(keys, data, dtype);
}

}  // namespace autodidact
