// Moving elements without changing them: transposes, and blocks of columns cut out, put together or
// padded with zeros.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// y[b, c, r] = x[b, r, c].   NHWC -> NCHW is rows = H W, cols = C
template <class T>
struct Transpose {
  T* y;        // [batch, cols, rows]
  const T* x;  // [batch, rows, cols]
  int64_t batch;
  int rows, cols;
};

// y[r, c] = x[r, c] with leading dimensions: a concatenation is one per input with y moved by the
// columns before it, a slice of columns has x moved. Only [rows, cols] of y is written.
template <class T>
struct CopyColumns {
  T* y;        // row r at y + r y_stride
  const T* x;  // row r at x + r x_stride
  int64_t rows;
  int cols, y_stride, x_stride;
};

// y[r, c] = x[r, c - before], 0 where c - before is outside of x.   y: [rows, y_cols]
template <class T>
struct PadColumns {
  T* y;
  const T* x;  // [rows, x_cols]
  int64_t rows;
  int y_cols, x_cols, before;
};

template <class T>
void run(Cpu, Transpose<T>);
template <class T>
void run(Cpu, CopyColumns<T>);
template <class T>
void run(Cpu, PadColumns<T>);
template <class T>
void run(Cuda, Transpose<T>);
template <class T>
void run(Cuda, CopyColumns<T>);
template <class T>
void run(Cuda, PadColumns<T>);

}  // namespace autodidact
