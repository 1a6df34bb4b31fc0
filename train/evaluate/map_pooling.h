// From a block's output to a row of features: feature maps are averaged down to a small grid, so
// that a probe sees where things are and not only whether they are there, in few numbers.
#pragma once
#include "engine/tensor.h"

namespace autodidact {

// The largest grid x grid, at most most_grid, whose grid * grid * channels is at most most_dims
// (never less than 1): Zhang et al. 2016 resize each map to about 9,000 numbers.
int grid_for(const Shape& map, int most_grid, int most_dims);

// y[n] = x[n] averaged over grid x grid cells; cell i of a side covers pixels
// [floor(i side / grid), ceil((i + 1) side / grid)), as PyTorch's adaptive_avg_pool2d.
// y: rows of grid * grid * channels floats, y_stride apart; x: f32 [N, H, W, C], or [N, C]
// (copied).
void average_to_grid(float* y, int64_t y_stride, const Tensor& x, int grid);

}  // namespace autodidact
