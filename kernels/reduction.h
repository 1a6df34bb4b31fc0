// Sums over rows or everything, in an order that does not depend on the thread count.
// Results are Acc<T>. Sums over rows and over everything need a workspace on CUDA
// (device_scratch.h): 1 MiB.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// y[c] = sum_r x[r, c]: also the bias gradient.   y: [cols]; x: [rows, cols]
template <class T>
struct SumRows {
  Acc<T>* y;
  const T* x;
  int64_t rows;
  int cols;
};
// y[0] = scale sum x: with scale = 1/n the mean.   x: [n]
template <class T>
struct SumAll {
  Acc<T>* y;
  const T* x;
  int64_t n;
  double scale;
};
// y[0] = sum x^2.   x: [n]
template <class T>
struct SumOfSquares {
  Acc<T>* y;
  const T* x;
  int64_t n;
};

// A sum's gradient: dx[r, c] = scale dy[r]; of everything with one row.
template <class T>
struct SpreadCols {
  T* dx;
  const Acc<T>* dy;  // [rows]
  int64_t rows;
  int cols;
  double scale;
};

template <class T>
void run(Cpu, SumRows<T>);
template <class T>
void run(Cpu, SumAll<T>);
template <class T>
void run(Cpu, SumOfSquares<T>);
template <class T>
void run(Cpu, SpreadCols<T>);
template <class T>
void run(Cuda, SumRows<T>);
template <class T>
void run(Cuda, SumAll<T>);
template <class T>
void run(Cuda, SumOfSquares<T>);
template <class T>
void run(Cuda, SpreadCols<T>);

}  // namespace autodidact
