// C = alpha * op(A) op(B) + beta * C, then + bias over the columns, then ReLU.
//   op(A): [m, k], op(B): [k, n], C: [m, n], rows lda, ldb, ldc numbers apart; batched: one product
//   for each of `batch`, the matrices stride_* numbers apart (0: the same matrix for all).
// Sums run over k in an order fixed by the sizes. bf16 is widened on load; arithmetic is in float.
#pragma once
#include "kernels/types.h"

namespace autodidact {

template <class T, class Out = T>
struct Gemm {
  Out* c;                        // [m, ldc]; read only when beta is not 0
  const T* a;                    // [m, lda], or [k, lda] when transposed
  const T* b;                    // [k, ldb], or [n, ldb] when transposed
  const Acc<T>* bias = nullptr;  // [n], or null
  int m, n, k;                   // may be 0: of k, the product is zero; of the others, no C
  int64_t lda, ldb, ldc;
  bool transpose_a = false, transpose_b = false;
  int batch = 1;
  int64_t stride_a = 0, stride_b = 0, stride_c = 0;
  Acc<T> alpha = 1, beta = 0;
  bool relu = false;
};

// <float>, <bf16>, <bf16, float> (weight gradients), <double>
template <class T, class Out>
void run(Cpu, Gemm<T, Out>);
// Needs a workspace where k is long and C small: at most 8 MiB. Not for <double>.
template <class T, class Out>
void run(Cuda, Gemm<T, Out>);

}  // namespace autodidact
