// Rows of a table by their numbers: a memory bank read and written at the samples of a batch; and
// rows times a factor each.
// indices must be below `rows`. On the CPU the caller has looked; a GPU's are not read back to be
// checked: there a row of y is NaN where its index is no row's, and ScatterRows skips it.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// y[b] = x[indices[b]]
template <class T>
struct GatherRows {
  T* y;                    // [count, dim]
  const T* x;              // [rows, dim]
  const int64_t* indices;  // [count]
  int64_t rows;
  int count, dim;
};
// x[indices[b]] = y[b], as if in this order: of equal indices the last one's row stays.
template <class T>
struct ScatterRows {
  T* x;                    // [rows, dim]
  const T* y;              // [count, dim]
  const int64_t* indices;  // [count]
  int64_t rows;
  int count, dim;
};

// y[r] = factors[r] x[r]: a factor a sample, 0 for one that a branch leaves out.
template <class T>
struct ScaleRows {
  T* y;                   // [rows, dim]
  const T* x;             // [rows, dim]
  const Acc<T>* factors;  // [rows]
  int rows;
  int64_t dim;
};

template <class T>
void run(Cpu, GatherRows<T>);  // T: float, bf16, double
template <class T>
void run(Cpu, ScatterRows<T>);
template <class T>
void run(Cpu, ScaleRows<T>);
template <class T>
void run(Cuda, GatherRows<T>);
template <class T>
void run(Cuda, ScatterRows<T>);
template <class T>
void run(Cuda, ScaleRows<T>);

}  // namespace autodidact
