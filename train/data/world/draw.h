// Random draws of the world: one Philox stream per (seed, split, view, index, purpose). Each
// purpose (layout, colours, background, ...) has a stream of its own, so that one more draw in one
// of them leaves the others as they were.
#pragma once
#include "kernels/philox.h"

namespace autodidact::world {

enum class Purpose : uint32_t {
  label = 1,
  count,
  pose,
  build,
  colour,
  background,
  clutter,
  light,
  bank
};

class Draw {
 public:
  // `which` tells apart several users of one purpose (the objects of a scene).
  Draw(uint64_t key, int64_t index, Purpose purpose, uint32_t which = 0)
      : key_(key), low_(uint64_t(index)), high_(uint64_t(purpose) << 56 | uint64_t(which) << 32) {}

  uint32_t bits() {
    if (left_ == 0) {
      block_ = philox(key_, low_, high_++);
      left_ = 4;
    }
    return block_.v[--left_];
  }
  float unit() { return uniform(bits()); }  // [0, 1)
  float between(float low, float high) { return low + (high - low) * unit(); }
  int below(int n) { return int(autodidact::below(bits(), uint32_t(n))); }
  bool chance(float p) { return unit() < p; }
  float sign() { return bits() & 1 ? 1.0f : -1.0f; }

 private:
  uint64_t key_, low_, high_;
  Philox4 block_{};
  int left_ = 0;
};

}  // namespace autodidact::world
