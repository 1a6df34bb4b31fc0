// Features with mean 0 and variance 1, by the statistics of the training part: what a linear probe
// is trained on, so that one set of learning rates serves every block of every network.
#pragma once
#include <vector>
#include "engine/tensor.h"

namespace autodidact {

struct Standardization {
  std::vector<float> mean, scale;  // [cols]
};

// x: f32 [rows, cols]. scale = 1 / sqrt(var + 1e-4 mean(var)): the second term keeps a feature that
// is almost always zero from being blown up by its one exception; a constant feature has scale 0.
Standardization statistics_of(const Tensor& x);

// x = (x - mean) scale, in place.
void standardize(Tensor& x, const Standardization& s);

}  // namespace autodidact
