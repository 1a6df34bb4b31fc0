// Plain convolution bodies, see conv_plain.h.
#include "kernels/conv_plain.h"
#include <algorithm>
#include "kernels/parallel.h"

namespace autodidact {
namespace {

// Output positions o with 0 <= o * stride + shift < size, as [begin, end).
struct Reach {
  int begin, end;
  Reach(int outputs, int stride, int shift, int size) {
    begin = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    end = size <= shift ? 0 : std::min(outputs, (size - shift + stride - 1) / stride);
    end = std::max(begin, end);
  }
};

}  // namespace

template <class T>
void conv_forward_plain(const ConvForward<T>& p) {
  using A = Acc<T>;
  const ConvSizes& s = p.sizes;
  const int out_h = s.out_h(), out_w = s.out_w();
  parallel_for(int64_t(s.n) * out_h, 1, [&](int64_t row, int64_t) {
    const int64_t n = row / out_h;
    const int oh = int(row % out_h);
    for (int ow = 0; ow < out_w; ++ow)
      for (int co = 0; co < s.c_out; ++co) {
        A sum = 0;
        for (int ky = 0; ky < s.kh; ++ky)
          for (int kx = 0; kx < s.kw; ++kx) {
            const int h = oh * s.stride - s.padding + ky * s.dilation;
            const int w = ow * s.stride - s.padding + kx * s.dilation;
            if (h < 0 || h >= s.h || w < 0 || w >= s.w) continue;
            const T* x = p.x + ((n * s.h + h) * s.w + w) * s.c_in;
            const T* weight = p.w + ((int64_t(co) * s.kh + ky) * s.kw + kx) * s.c_in;
            for (int ci = 0; ci < s.c_in; ++ci) sum += A(x[ci]) * A(weight[ci]);
          }
        if (p.bias) sum += p.bias[co];
        p.y[(row * out_w + ow) * s.c_out + co] = T(sum);
      }
  });
}

template <class T>
void conv_backward_data_plain(const ConvBackwardData<T>& p) {
  using A = Acc<T>;
  const ConvSizes& s = p.sizes;
  const int out_h = s.out_h(), out_w = s.out_w();
  parallel_for(int64_t(s.n) * s.h, 1, [&](int64_t row, int64_t) {
    const int64_t n = row / s.h;
    const int h = int(row % s.h);
    Scratch<A> sum(s.c_in);
    for (int w = 0; w < s.w; ++w) {
      std::fill(sum.data(), sum.data() + s.c_in, A(0));
      for (int ky = 0; ky < s.kh; ++ky)
        for (int kx = 0; kx < s.kw; ++kx) {
          const int y = h + s.padding - ky * s.dilation, x = w + s.padding - kx * s.dilation;
          if (y < 0 || x < 0 || y % s.stride || x % s.stride) continue;
          const int oh = y / s.stride, ow = x / s.stride;
          if (oh >= out_h || ow >= out_w) continue;
          const T* dy = p.dy + ((n * out_h + oh) * out_w + ow) * s.c_out;
          for (int co = 0; co < s.c_out; ++co) {
            const T* weight = p.w + ((int64_t(co) * s.kh + ky) * s.kw + kx) * s.c_in;
            for (int ci = 0; ci < s.c_in; ++ci) sum[ci] += A(dy[co]) * A(weight[ci]);
          }
        }
      T* dx = p.dx + (row * s.w + w) * s.c_in;
      for (int ci = 0; ci < s.c_in; ++ci) dx[ci] = T(sum[ci]);
    }
  });
}

template <class T>
void conv_backward_weights_plain(const ConvBackwardWeights<T>& p) {
  using A = Acc<T>;
  const ConvSizes& s = p.sizes;
  const int out_h = s.out_h(), out_w = s.out_w();
  parallel_for(int64_t(s.c_out) * s.kh * s.kw, 1, [&](int64_t tap, int64_t) {
    const int kx = int(tap % s.kw), ky = int(tap / s.kw % s.kh), co = int(tap / s.kw / s.kh);
    A* dw = p.dw + tap * s.c_in;
    std::fill(dw, dw + s.c_in, A(0));
    const int shift_y = ky * s.dilation - s.padding, shift_x = kx * s.dilation - s.padding;
    const Reach rows(out_h, s.stride, shift_y, s.h), cols(out_w, s.stride, shift_x, s.w);
    for (int64_t n = 0; n < s.n; ++n)
      for (int oh = rows.begin; oh < rows.end; ++oh)
        for (int ow = cols.begin; ow < cols.end; ++ow) {
          const A dy = A(p.dy[((n * out_h + oh) * out_w + ow) * s.c_out + co]);
          const T* x =
              p.x + ((n * s.h + oh * s.stride + shift_y) * s.w + ow * s.stride + shift_x) * s.c_in;
          for (int ci = 0; ci < s.c_in; ++ci) dw[ci] += dy * A(x[ci]);
        }
  });
}

template void conv_forward_plain(const ConvForward<float>&);
template void conv_forward_plain(const ConvForward<bf16>&);
template void conv_forward_plain(const ConvForward<double>&);
template void conv_backward_data_plain(const ConvBackwardData<float>&);
template void conv_backward_data_plain(const ConvBackwardData<bf16>&);
template void conv_backward_data_plain(const ConvBackwardData<double>&);
template void conv_backward_weights_plain(const ConvBackwardWeights<float>&);
template void conv_backward_weights_plain(const ConvBackwardWeights<bf16>&);
template void conv_backward_weights_plain(const ConvBackwardWeights<double>&);

}  // namespace autodidact
