// Two-dimensional convolution over NHWC images with OHWI weights, and its two backward passes:
//   y[n, oh, ow, co] = bias[co] + sum over ky, kx, ci of
//       x[n, oh * stride - padding + ky * dilation, ow * stride - padding + kx * dilation, ci]
//       * w[co, ky, kx, ci],        pixels outside x being zero.
// Every output is written. Sums run in an order fixed by the sizes alone.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// All at least 1, but for n, padding: without images there is nothing to write, and dw, dbias are
// zero.
struct ConvSizes {
  int n, h, w, c_in, c_out, kh, kw;
  int stride = 1, padding = 0, dilation = 1;
  // At least 1 each; the caller checks.
  int out_h() const { return (h + 2 * padding - dilation * (kh - 1) - 1) / stride + 1; }
  int out_w() const { return (w + 2 * padding - dilation * (kw - 1) - 1) / stride + 1; }
};

template <class T>
struct ConvForward {
  T* y;                // [n, out_h, out_w, c_out]
  const T* x;          // [n, h, w, c_in]
  const T* w;          // [c_out, kh, kw, c_in]
  const Acc<T>* bias;  // [c_out], or null
  ConvSizes sizes;
};

template <class T>
struct ConvBackwardData {
  T* dx;        // [n, h, w, c_in]
  const T* dy;  // [n, out_h, out_w, c_out]
  const T* w;   // [c_out, kh, kw, c_in]
  ConvSizes sizes;
};

template <class T>
struct ConvBackwardWeights {
  Acc<T>* dw;     // [c_out, kh, kw, c_in], or null: not wanted
  Acc<T>* dbias;  // [c_out], or null
  const T* dy;    // [n, out_h, out_w, c_out]
  const T* x;     // [n, h, w, c_in]
  ConvSizes sizes;
};

template <class T>
void run(Cpu, ConvForward<T>);
template <class T>
void run(Cpu, ConvBackwardData<T>);
template <class T>
void run(Cpu, ConvBackwardWeights<T>);
template <class T>
void run(Cuda, ConvForward<T>);
template <class T>
void run(Cuda, ConvBackwardData<T>);
template <class T>  // needs a workspace: at most 8 MiB for dw, and what SumRows takes for dbias
void run(Cuda, ConvBackwardWeights<T>);

}  // namespace autodidact
