// The ten classes: each is a function that stacks parts. Proportions vary from object to object;
// test2 takes them from just outside the range that training sees.
#pragma once
#include "train/data/world/draw.h"
#include "train/data/world/geometry.h"

namespace autodidact::world {

class Proportion {
 public:
  Proportion(Draw draw, bool outside) : draw_(draw), outside_(outside) {}
  // Uniform in [low, high]; outside training: within 40 % of the range's length beside it.
  float operator()(float low, float high) {
    float t = draw_.unit();
    if (outside_) t = t < 0.5f ? -0.4f + 0.6f * t : 0.8f + 0.6f * t;  // [-0.4, -0.1) or [1.1, 1.4)
    return low + (high - low) * t;
  }
  float sign() { return draw_.sign(); }
  bool chance(float p) { return draw_.chance(p); }
  int below(int n) { return draw_.below(n); }

 private:
  Draw draw_;
  bool outside_;
};

// The parts of an object of class `label`, centred, the mean half extent of its bounds being 1.
Parts build(int label, Proportion& p);
// One part without an object: clutter that shares the objects' shapes.
Part stray_part(Draw& draw);

}  // namespace autodidact::world
