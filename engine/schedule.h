// Values that change over a run (learning rate, EMA momentum) as pure functions of the step: a
// resumed run needs nothing but its step count.
#pragma once
#include <cstdint>
#include <vector>

namespace autodidact {

enum class Decay : uint8_t { constant, cosine, steps };

struct Schedule {
  double base = 0.1;
  Decay decay = Decay::constant;
  int64_t total = 0;   // steps of the run, warm-up included; cosine reaches `last` there and stays
  int64_t warmup = 0;  // the first steps rise in a line: base (step + 1) / warmup
  double last = 0;     // cosine's final value
  std::vector<int64_t> milestones = {};  // steps: from each of them on the value is times `factor`
  double factor = 0.1;

  // The value of step 0, 1, .. Cosine (Loshchilov & Hutter 2017, without restarts):
  // last + (base - last) (1 + cos(pi (step - warmup) / (total - warmup))) / 2.
  double operator()(int64_t step) const;
};

}  // namespace autodidact
