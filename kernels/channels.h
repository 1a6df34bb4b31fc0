// What batch and group normalisation share: per-channel statistics and affine maps over a block of
// rows [rows, channels]. batchnorm.cpp and groupnorm.cpp decide which rows and channels belong
// together; the loops over memory are here, once, for every CPU class.
#pragma once
#include "kernels/types.h"

namespace autodidact {

template <class T>
struct ChannelKernels {
  using A = Acc<T>;
  // mean[c] over the rows, and m2[c] = sum (x - mean)^2.
  void (*statistics)(A* mean, A* m2, const T* x, int64_t rows, int channels);
  // y = act(x scale[c] + shift[c] + residual); residual may be null.
  void (*apply)(T* y, const T* x, const T* residual, const A* scale, const A* shift, int64_t rows,
                int channels, bool relu);
  // With g = y ? dy (y > 0) : dy:  sum_dy[c] = sum g, sum_dy_x[c] = sum g (x - mean[c]).
  void (*gradient_sums)(A* sum_dy, A* sum_dy_x, const T* dy, const T* x, const T* y, const A* mean,
                        int64_t rows, int channels);
  // dx = a[c] g + b[c] (x - mean[c]) + c[c], unless dx is null; dresidual = g, unless it or y is
  // null.
  void (*gradient)(T* dx, T* dresidual, const T* dy, const T* x, const T* y, const A* a, const A* b,
                   const A* c, const A* mean, int64_t rows, int channels);
};

// The kernels of the CPU class in use. T: float, bf16, double.
template <class T>
const ChannelKernels<T>& channel_kernels();

// Rows in a chunk: about 16 K elements, but enough rows that adding up the chunks' partial sums
// costs nothing beside reading the rows.
inline int64_t channel_grain(int channels) {
  int64_t rows = 16384 / channels;
  return rows < 64 ? 64 : rows;
}

}  // namespace autodidact
