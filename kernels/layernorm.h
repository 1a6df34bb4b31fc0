// Layer normalisation (Ba et al. 2016): each row by its own mean and biased variance.
// Backward needs a workspace on CUDA (device_scratch.h): 4 MiB up to 65,536 columns.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// y = gamma (x - mean) rstd + beta.
template <class T>
struct LayerNormForward {
  T* y;                       // [rows, cols]
  Acc<T>*mean, *rstd;         // [rows]; rstd = 1 / sqrt(var + eps); or null
  const T* x;                 // [rows, cols]
  const Acc<T>*gamma, *beta;  // [cols]
  int64_t rows;
  int cols;
  float eps;
};

template <class T>
struct LayerNormBackward {
  T* dx;                     // [rows, cols]
  Acc<T>*dgamma, *dbeta;     // [cols]
  const T *dy, *x;           // [rows, cols]
  const Acc<T>* gamma;       // [cols]
  const Acc<T>*mean, *rstd;  // [rows]
  int64_t rows;
  int cols;
};

template <class T>
void run(Cpu, LayerNormForward<T>);
template <class T>
void run(Cpu, LayerNormBackward<T>);
template <class T>
void run(Cuda, LayerNormForward<T>);
template <class T>
void run(Cuda, LayerNormBackward<T>);

}  // namespace autodidact
