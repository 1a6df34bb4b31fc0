// Noise-contrastive estimation against a memory bank (NPID, Wu et al. 2018, section 3.2): is a row
// of the bank the picture's own, or one of m drawn from noise? With x_j = v.bank_j / t - shift,
// shift = log(Z m / N) (Z: the softmax's normaliser, estimated once; N: rows of the bank),
//   h_j = sigmoid(x_j);  loss = mean over rows of v of -log h_own - sum over its noise of
//   log(1 - h_j);
//   dv = ((h_own - 1) bank_own + sum h_j bank_j) / (t batch).
// A row of v is one thread's, on CUDA one block's: the same bytes for any thread count. own and
// noise must be below `rows`; a GPU's are not read back to be checked: there one that is not makes
// the loss NaN, and its row of dv.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// An output that is null is not wanted.
template <class T>
struct Nce {
  Acc<T>* loss;          // [1], the mean
  Acc<T>* log_mean;      // [1], log of the mean of exp(v.bank_j / t) over own rows and noise
  int32_t* rank;         // [batch], how many of the noise have a logit above the own one
  Acc<T>* dv;            // [batch, dim], of the mean
  const T* v;            // [batch, dim]
  const T* bank;         // [rows, dim]
  const int64_t* own;    // [batch]
  const int64_t* noise;  // [batch, negatives]; may hold the own row
  int64_t rows;          // of the bank
  int batch, negatives, dim;
  float temperature, shift;
};

template <class T>
void run(Cpu, Nce<T>);  // T: float, bf16, double
template <class T>
void run(Cuda, Nce<T>);  // needs a workspace: 16 bytes a row of v

}  // namespace autodidact
