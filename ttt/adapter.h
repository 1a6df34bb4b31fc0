// Adapter: a trained network that goes on learning from the pictures it is asked about (Sun et al.
// 2020, section 2). For each batch of pictures: observe, then predict.
//
//   Adapter adapter(method, {.keep = Keep::online, .steps = 1});
//   for (...) {
//     adapter.observe(pixels, &key, 1);
//     Tensor probabilities = adapter.predict(pixels, 1);
//   }
//   adapter.reset();   // bit for bit the network it was given
//
// observe minimises the self-supervised loss over the shared blocks and the self-supervised branch
// on augmented copies of the pictures, by SGD without momentum or weight decay; the main branch
// never changes, and predictions are made on the untouched picture. Memory does not grow after the
// first batch.
#pragma once
#include <memory>
#include "engine/optimizer.h"
#include "train/ttt.h"
#include "ttt/test_time_learner.h"

namespace autodidact {

enum class AdaptedPart {
  all,     // shared blocks and self-supervised branch, as the released code
  shared,  // the shared blocks alone
  norms    // scales and shifts of the shared blocks' norms
};

// What keeps an online stream from harm. Each is off at its initial value; a loss or a gradient
// that is not finite always brings the snapshot back.
struct Rails {
  double most_norm = 0;      // of a step's gradient: longer ones are shortened to it
  bool stop_rising = false;  // a batch's steps end where its loss rises
  double anchor = 0;         // part of the way back to the snapshot after every batch
  int64_t reset_every = 0;   // batches; then the snapshot is back
  // Batches: where over so many of them the snapshot had the lower self-supervised loss on what had
  // just arrived (its four turns, before learning from it), what was learned does harm: reset.
  int alarm_window = 0;
};

struct AdaptOptions {
  Keep keep = Keep::standard;
  int steps = 10;  // a batch
  double learning_rate = 1e-3;
  int copies = 32;  // of each picture a step, each with a crop and a flip of its own
  Rotation rotation = Rotation::random;  // all: a quarter as many crops, in all four turns
  AdaptedPart part = AdaptedPart::all;
  bool random_labels = false;  // the control: the copies' labels know nothing of their turns
  // A picture is learned from only if the network takes it for upright with a probability below
  // this; 1: always.
  double threshold = 1;
  uint64_t seed = 1;
  Rails rails = {};
};

class Adapter : public TestTimeLearner {
 public:
  // method: of `train ttt`; it must outlive the adapter, which moves its parameters into one
  // buffer. ErrorKind::usage: it has no self-supervised branch, or an option makes no sense.
  Adapter(Method& method, const AdaptOptions& options);

  Observed observe(const uint8_t* images, const int64_t* keys, int count, int side) override;
  Tensor predict(const uint8_t* images, int count, int side) override;
  void reset() override;  // one copy
  bool is_at_snapshot() const override;
  void take_snapshot();  // the network as it is now
  // <grad l_m, grad l_s> over the weights that learn and that both losses reach (Sun et al. 2020,
  // section 4): l_m of the untouched picture and its label, l_s of its four turns. Where it is
  // positive a small step on l_s lowers l_m too (their theorem 1). Nothing is learned.
  double gradient_product(const uint8_t* image, int label, int side);
  const Parameters& parameters() const { return parameters_; }

 private:
  Device device() const { return parameters_.value.device(); }
  void thaw_adapted_part();
  void gather(const uint8_t* images, const int64_t* keys, int count, int side);
  std::vector<bool> uncertain(const uint8_t* images, int count, int side);
  bool raises_alarm(const uint8_t* images, int count, int side);
  NetworkInput in_four_turns(const uint8_t* images, int count, int side) const;
  double turn_loss(const NetworkInput& in);
  Tensor random_labels(int count) const;
  bool step(Observed& seen, bool first);
  void return_part_of_the_way();

  JointTraining& method_;
  AdaptOptions options_;
  Parameters parameters_;
  Optimizer optimizer_;
  Tensor snapshot_, learned_;  // learned_: the weights while the snapshot is asked
  std::vector<double> gains_;  // the window of the alarm: the snapshot's loss less the present one
  int64_t batches_ = 0;        // since the last reset of a rail
  Augmentation augmentation_;
  Batch views_;
};

}  // namespace autodidact
