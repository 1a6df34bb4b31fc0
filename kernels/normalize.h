// What batch and group normalisation share on CUDA, the twin of channels.h: one thread's part of
// the passes over memory, N channels wide, over the rows first, first + step, ... below end. Which
// channels and rows belong together is decided in batchnorm.cu and groupnorm.cu. Device code only.
#pragma once
#include "kernels/columns.h"

namespace autodidact {

// The mean of the first rows of a table, one for each row of threads: so near the mean of all, that
// sum (x - shift)^2 loses no digits.   memory: sums_memory(block, N, sizeof(float))
template <int N, class T>
__device__ __forceinline__ Pack<N, float> first_rows_mean(const T* x, int64_t rows, int64_t stride,
                                                          bool inside, float* memory) {
  Pack<N, float> mean = repeated<N>(0.0f);
  int few = rows < int64_t(blockDim.y) ? int(rows) : int(blockDim.y);
  if (inside && int(threadIdx.y) < few) mean = load_acc<N>(x + threadIdx.y * stride);
  sum_over_y(mean.v, memory);
  for (int j = 0; j < N; ++j) mean.v[j] /= float(few);
  return mean;
}

// sums[j] += x - shift, sums[N + j] += (x - shift)^2.   x: the thread's first channel of row 0
template <int N, class T>
__device__ __forceinline__ void add_squares(float (&sums)[2 * N], const T* x,
                                            const Pack<N, float>& shift, int64_t first, int64_t end,
                                            int step, int64_t stride) {
  for (int64_t r = first; r < end; r += step) {
    auto v = load_acc<N>(x + r * stride);
    for (int j = 0; j < N; ++j) {
      float d = v.v[j] - shift.v[j];
      sums[j] += d;
      sums[N + j] = fma(d, d, sums[N + j]);
    }
  }
}

// y = act(x scale + shift + residual); residual may be null.
template <int N, class T>
__device__ __forceinline__ void scale_shift_rows(T* y, const T* x, const T* residual, bool relu,
                                                 const Pack<N, float>& scale,
                                                 const Pack<N, float>& shift, int64_t first,
                                                 int64_t end, int step, int64_t stride) {
  for (int64_t r = first; r < end; r += step) {
    auto v = load_acc<N>(x + r * stride);
    for (int j = 0; j < N; ++j) v.v[j] = fma(v.v[j], scale.v[j], shift.v[j]);
    if (residual) {
      auto add = load_acc<N>(residual + r * stride);
      for (int j = 0; j < N; ++j) v.v[j] += add.v[j];
    }
    if (relu)
      for (int j = 0; j < N; ++j) v.v[j] = Relu::f(v.v[j]);
    store_acc<N>(y + r * stride, v);
  }
}

// dy, or dy where y is above zero.
template <int N, class T>
__device__ __forceinline__ Pack<N, float> gated(const T* dy, const T* y, int64_t i) {
  auto g = load_acc<N>(dy + i);
  if (y) {
    auto gate = load_acc<N>(y + i);
    for (int j = 0; j < N; ++j) g.v[j] = gate.v[j] > 0 ? g.v[j] : 0;
  }
  return g;
}

// With g = gated(dy):  sums[j] += g, sums[N + j] += g (x - mean).
template <int N, class T>
__device__ __forceinline__ void add_gradient_sums(float (&sums)[2 * N], const T* dy, const T* x,
                                                  const T* y, const Pack<N, float>& mean,
                                                  int64_t first, int64_t end, int step,
                                                  int64_t stride) {
  for (int64_t r = first; r < end; r += step) {
    auto g = gated<N>(dy, y, r * stride), v = load_acc<N>(x + r * stride);
    for (int j = 0; j < N; ++j) {
      sums[j] += g.v[j];
      sums[N + j] = fma(g.v[j], v.v[j] - mean.v[j], sums[N + j]);
    }
  }
}

// dx = a g + b (x - mean) + c, unless null; dresidual = g, unless it or y is null.
template <int N, class T>
__device__ __forceinline__ void gradient_rows(T* dx, T* dresidual, const T* dy, const T* x,
                                              const T* y, const Pack<N, float>& a,
                                              const Pack<N, float>& b, const Pack<N, float>& c,
                                              const Pack<N, float>& mean, int64_t first,
                                              int64_t end, int step, int64_t stride) {
  for (int64_t r = first; r < end; r += step) {
    auto g = gated<N>(dy, y, r * stride);
    if (dx) {
      auto v = load_acc<N>(x + r * stride);
      for (int j = 0; j < N; ++j)
        v.v[j] = fma(a.v[j], g.v[j], fma(b.v[j], v.v[j] - mean.v[j], c.v[j]));
      store_acc<N>(dx + r * stride, v);
    }
    if (y && dresidual) store_acc<N>(dresidual + r * stride, g);
  }
}

}  // namespace autodidact
