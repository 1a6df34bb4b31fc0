// Group normalisation over channels-last activations (Wu & He 2018): each sample's channels are cut
// into groups, and each group is normalised by its own mean and biased variance over pixels and
// channels. With the addition and the ReLU that follow it in a residual network, in the same pass.
// Backward needs a workspace on CUDA (device_scratch.h): 8 bytes a channel and sample.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// y = act(gamma (x - mean) rstd + beta + residual), act = ReLU where relu is set.
template <class T>
struct GroupNormForward {
  T* y;                       // [samples, pixels, channels]
  Acc<T>*mean, *rstd;         // [samples, groups]; rstd = 1 / sqrt(var + eps); or null
  const T* x;                 // [samples, pixels, channels]
  const Acc<T>*gamma, *beta;  // [channels]
  const T* residual;          // as x, or null
  int samples, pixels, channels, groups;
  float eps;
  bool relu;
};

// Where relu is set, dy stands for dy (y > 0) throughout, and dresidual receives it.
template <class T>
struct GroupNormBackward {
  T* dx;                     // as x
  Acc<T>*dgamma, *dbeta;     // [channels]
  T* dresidual;              // as x; written only where relu is set (without it, it is dy)
  const T *dy, *x;           // [samples, pixels, channels]
  const T* y;                // as x; read only where relu is set
  const Acc<T>* gamma;       // [channels]
  const Acc<T>*mean, *rstd;  // [samples, groups]
  int samples, pixels, channels, groups;
  bool relu;
};

template <class T>
void run(Cpu, GroupNormForward<T>);
template <class T>
void run(Cpu, GroupNormBackward<T>);
template <class T>
void run(Cuda, GroupNormForward<T>);
template <class T>
void run(Cuda, GroupNormBackward<T>);

}  // namespace autodidact
