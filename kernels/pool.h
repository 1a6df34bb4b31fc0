// Pooling over channels-last images: maximum, average, and average over all pixels.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// out = (in + 2 pad - kernel) / stride + 1, rounded down; pad <= kernel / 2, so that every window
// touches the image.
struct PoolShape {
  int samples, height, width, channels;  // of x
  int kernel, stride, pad;
  HD int out_height() const { return (height + 2 * pad - kernel) / stride + 1; }
  HD int out_width() const { return (width + 2 * pad - kernel) / stride + 1; }
};

// Ties go to the first in row-major order, and NaN wins, as in PyTorch.
template <class T>
struct MaxPoolForward {
  T* y;             // [samples, out_height, out_width, channels]
  uint8_t* from;    // as y, or null: the winner's position row * kernel + col in its window
  const T* x;       // [samples, height, width, channels]
  PoolShape shape;  // kernel <= 16
};
template <class T>
struct MaxPoolBackward {
  T* dx;        // as x
  const T* dy;  // as y
  const uint8_t* from;
  PoolShape shape;
};

// The mean over kernel^2 positions, those in the padding counted as zeros (PyTorch's default).
template <class T>
struct AvgPoolForward {
  T* y;
  const T* x;
  PoolShape shape;
};
template <class T>
struct AvgPoolBackward {
  T* dx;
  const T* dy;
  PoolShape shape;
};

// y[n, c] = mean over pixels of x[n, pixel, c].
template <class T>
struct GlobalAvgPoolForward {
  T* y;        // [samples, channels]
  const T* x;  // [samples, pixels, channels]
  int samples, pixels, channels;
};
template <class T>
struct GlobalAvgPoolBackward {
  T* dx;        // [samples, pixels, channels]
  const T* dy;  // [samples, channels]
  int samples, pixels, channels;
};

template <class T>
void run(Cpu, MaxPoolForward<T>);
template <class T>
void run(Cpu, MaxPoolBackward<T>);
template <class T>
void run(Cpu, AvgPoolForward<T>);
template <class T>
void run(Cpu, AvgPoolBackward<T>);
template <class T>
void run(Cpu, GlobalAvgPoolForward<T>);
template <class T>
void run(Cpu, GlobalAvgPoolBackward<T>);
template <class T>
void run(Cuda, MaxPoolForward<T>);
template <class T>
void run(Cuda, MaxPoolBackward<T>);
template <class T>
void run(Cuda, AvgPoolForward<T>);
template <class T>
void run(Cuda, AvgPoolBackward<T>);
template <class T>
void run(Cuda, GlobalAvgPoolForward<T>);
template <class T>
void run(Cuda, GlobalAvgPoolBackward<T>);

}  // namespace autodidact
