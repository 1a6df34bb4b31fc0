// Batch normalisation over channels-last activations (Ioffe & Szegedy 2015), rows = samples x
// pixels, with the addition and the ReLU that follow it in a residual network in the same pass.
// A split batch (MoCo's shuffling BN on one device) normalises each of `splits` equal runs of rows
// by its own statistics. Forward and backward need a workspace on CUDA (device_scratch.h): 1 MiB
// and 20 bytes a channel and split.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// y = act(gamma (x - mean) rstd + beta + residual), act = ReLU where relu is set.
// running = (1 - momentum) running + momentum (mean of the splits' statistics), with the unbiased
// variance, as PyTorch keeps it.
template <class T>
struct BatchNormForward {
  T* y;                // [rows, channels]
  Acc<T>*mean, *rstd;  // [splits, channels]; rstd = 1 / sqrt(biased var + eps); or null
  Acc<T>*running_mean, *running_var;  // [channels], updated in place; or null
  const T* x;                         // [rows, channels]
  const Acc<T>*gamma, *beta;          // [channels]; null: 1 and 0
  const T* residual;                  // as x, or null
  int64_t rows;                       // a multiple of splits
  int channels, splits;
  float eps, momentum;
  bool relu;
};

// Its last step alone: y again, the same bytes, from the statistics that it kept.
template <class T>
struct BatchNormApply {
  T* y;                       // [rows, channels]
  const T* x;                 // [rows, channels]
  const Acc<T>*mean, *rstd;   // [splits, channels]
  const Acc<T>*gamma, *beta;  // [channels]; null: 1 and 0
  const T* residual;          // as x, or null
  int64_t rows;               // a multiple of splits
  int channels, splits;
  bool relu;
};

// With given statistics: inference, and training with frozen ones.
template <class T>
struct BatchNormInference {
  T* y;                                     // [rows, channels]
  Acc<T>* rstd;                             // [channels], or null: for the backward pass
  const T* x;                               // [rows, channels]
  const Acc<T>*gamma, *beta;                // [channels]; null: 1 and 0
  const Acc<T>*running_mean, *running_var;  // [channels]
  const T* residual;                        // as x, or null
  int64_t rows;
  int channels;
  float eps;
  bool relu;
};

// Where relu is set, dy stands for dy (y > 0) throughout, and dresidual receives it.
template <class T>
struct BatchNormBackward {
  T* dx;                     // as x
  Acc<T>*dgamma, *dbeta;     // [channels]
  T* dresidual;              // as x; written only where relu is set (without it, it is dy)
  const T *dy, *x;           // [rows, channels]
  const T* y;                // as x; read only where relu is set
  const Acc<T>* gamma;       // [channels]; null: 1
  const Acc<T>*mean, *rstd;  // [splits, channels]
  int64_t rows;
  int channels, splits;
  bool relu;
  bool constant_statistics;  // of BatchNormInference: mean and rstd do not depend on x
};

template <class T>
void run(Cpu, BatchNormForward<T>);
template <class T>
void run(Cpu, BatchNormApply<T>);
template <class T>
void run(Cpu, BatchNormInference<T>);
template <class T>
void run(Cpu, BatchNormBackward<T>);
template <class T>
void run(Cuda, BatchNormForward<T>);
template <class T>
void run(Cuda, BatchNormApply<T>);
template <class T>
void run(Cuda, BatchNormInference<T>);
template <class T>
void run(Cuda, BatchNormBackward<T>);

}  // namespace autodidact
