// Rows scaled to length 1: y = x / max(|x|, eps), PyTorch's F.normalize.
#pragma once
#include "kernels/types.h"

namespace autodidact {

template <class T>
struct UnitRowsForward {
  T* y;           // [rows, cols]; may be x
  Acc<T>* scale;  // [rows], 1 / max(|x|, eps)
  const T* x;     // [rows, cols]
  int64_t rows;
  int cols;
  float eps;
};
// dx = scale (dy - y (y.dy)): nothing along y. A row shorter than eps counts as one that is not.
template <class T>
struct UnitRowsBackward {
  T* dx;  // [rows, cols]; may be dy
  const T *dy, *y;
  const Acc<T>* scale;  // [rows]
  int64_t rows;
  int cols;
};

template <class T>
void run(Cpu, UnitRowsForward<T>);  // T: float, bf16, double
template <class T>
void run(Cpu, UnitRowsBackward<T>);
template <class T>
void run(Cuda, UnitRowsForward<T>);
template <class T>
void run(Cuda, UnitRowsBackward<T>);

}  // namespace autodidact
