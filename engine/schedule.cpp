#include "engine/schedule.h"
#include <algorithm>
#include <cmath>
#include "engine/check.h"

namespace autodidact {

double Schedule::operator()(int64_t step) const {
  check(step >= 0, "schedule: step must not be negative, got ", step);
  if (step < warmup) return base * double(step + 1) / double(warmup);
  switch (decay) {
    case Decay::constant:
      return base;
    case Decay::cosine: {
      check(total > warmup, "schedule: cosine needs more steps than its warm-up of ", warmup,
            ", got ", total);
      double progress = std::min(1.0, double(step - warmup) / double(total - warmup));
      return last + (base - last) * (1 + std::cos(M_PI * progress)) / 2;
    }
    case Decay::steps: {
      auto passed =
          std::count_if(milestones.begin(), milestones.end(), [&](int64_t m) { return step >= m; });
      return base * std::pow(factor, double(passed));
    }
  }
  fail(ErrorKind::failure, "schedule: unknown decay ", int(decay));
}

}  // namespace autodidact
