// What a stream of pictures is run through: a network that may change by what it sees before it
// answers.
#pragma once
#include "engine/tensor.h"

namespace autodidact {

enum class Keep {
  standard,  // every batch starts from the snapshot: no picture knows of another
  online     // what was learned from one batch is kept for the next
};

// What happened in observe.
struct Observed {
  int adapted = 0;        // pictures that were learned from
  double first_loss = 0;  // of what is minimised, before the first step; 0 where there was none
  double last_loss = 0;   // before the last step
  bool failed = false;    // a number was not finite: the snapshot is back
  bool alarmed = false;   // see Rails::alarm_window
};

class TestTimeLearner {
 public:
  virtual ~TestTimeLearner() = default;
  // images: u8 [count, side, side, 3]; keys [count]: numbers that tell pictures apart, for what is
  // drawn for them. Where nothing is kept it begins with reset().
  virtual Observed observe(const uint8_t* images, const int64_t* keys, int count, int side) = 0;
  virtual Tensor predict(const uint8_t* images, int count, int side) = 0;  // f32 [count, classes],
                                                                           // on the CPU
  virtual void reset() = 0;                                                // to the snapshot
  virtual bool is_at_snapshot() const = 0;                                 // bit for bit
};

}  // namespace autodidact
