// What the stand-in of cuDNN computes: the sums of a convolution and of its two backward passes
// over tensors with a stride a dimension.
#pragma once
#include <cudnn.h>
#include <map>
#include <vector>
#include "kernels/types.h"

namespace emulator {

using Numbers = std::vector<int64_t>;

// A tensor in memory, its values by dimension.
struct Values {
  unsigned char* data;
  cudnnDataType_t type;
  Numbers size, stride;

  int64_t at(int64_t n, int64_t c, int64_t h, int64_t w) const {
    return n * stride[0] + c * stride[1] + h * stride[2] + w * stride[3];
  }
  bool is_inside(int64_t h, int64_t w) const {
    return h >= 0 && w >= 0 && h < size[2] && w < size[3];
  }
  double load(int64_t i, bool narrows) const {
    if (type == CUDNN_DATA_BFLOAT16)
      return double(float(reinterpret_cast<autodidact::bf16*>(data)[i]));
    const float f = reinterpret_cast<float*>(data)[i];
    return double(narrows ? float(autodidact::bf16(f)) : f);
  }
  void store(int64_t i, double v) const {
    if (type == CUDNN_DATA_BFLOAT16)
      reinterpret_cast<autodidact::bf16*>(data)[i] = autodidact::bf16(float(v));
    else reinterpret_cast<float*>(data)[i] = float(v);
  }
};

struct Convolution {
  cudnnBackendDescriptorType_t type;
  Values x, w, y, bias;
  Numbers step, dilation, before;
  bool flips, narrows;
  double factor;  // 1, or that of an engine which is not exact

  // f(n, c_out, oh, ow, c_in, h, w, ky, kx) for all products of the convolution.
  template <class F>
  void each(F f) const {
    for (int64_t n = 0; n < y.size[0]; ++n)
      for (int64_t o = 0; o < y.size[1]; ++o)
        for (int64_t oh = 0; oh < y.size[2]; ++oh)
          for (int64_t ow = 0; ow < y.size[3]; ++ow)
            for (int64_t ky = 0; ky < w.size[2]; ++ky)
              for (int64_t kx = 0; kx < w.size[3]; ++kx) {
                const int64_t h = oh * step[0] - before[0] + ky * dilation[0];
                const int64_t v = ow * step[1] - before[1] + kx * dilation[1];
                if (!x.is_inside(h, v)) continue;
                const int64_t ty = flips ? w.size[2] - 1 - ky : ky,
                              tx = flips ? w.size[3] - 1 - kx : kx;
                for (int64_t i = 0; i < x.size[1]; ++i)
                  f(x.at(n, i, h, v), w.at(o, i, ty, tx), y.at(n, o, oh, ow));
              }
  }
  // Where every element of a tensor is, and its channel.
  template <class F>
  static void elements(const Values& t, F f) {
    for (int64_t n = 0; n < t.size[0]; ++n)
      for (int64_t c = 0; c < t.size[1]; ++c)
        for (int64_t h = 0; h < t.size[2]; ++h)
          for (int64_t v = 0; v < t.size[3]; ++v) f(t.at(n, c, h, v), c);
  }
  void operator()() const {
    std::map<int64_t, double> sums;
    const bool forward = type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR;
    const bool to_data = type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
    const Values& result = forward ? y : to_data ? x : w;
    auto value = [&](const Values& t, int64_t i) { return t.load(i, narrows); };
    each([&](int64_t ix, int64_t iw, int64_t iy) {
      if (forward) sums[iy] += value(x, ix) * value(w, iw);
      else if (to_data) sums[ix] += value(y, iy) * value(w, iw);
      else sums[iw] += value(y, iy) * value(x, ix);
    });
    elements(result, [&](int64_t i, int64_t channel) {
      double v = sums.count(i) ? sums[i] : 0;
      if (bias.data) v += bias.load(bias.at(0, channel, 0, 0), false);
      result.store(i, v * factor);
    });
  }
};

}  // namespace emulator
