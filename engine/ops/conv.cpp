// Two-dimensional convolution, NHWC by OHWI.
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"
#include "kernels/conv.h"

namespace autodidact {

Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias, const ConvOptions& how) {
  check_dtypes("conv2d", x, {{"w", w, x.dtype}, {"bias", bias, acc(x.dtype)}});
  check(x.shape.rank() == 4, "conv2d: x must be [N, H, W, C], got ", x.shape);
  check(x.shape[1] >= 1 && x.shape[2] >= 1 && x.shape[3] >= 1,
        "conv2d: x must have pixels and channels, got ", x.shape);
  check(w.shape.rank() == 4 && w.shape[3] == x.shape[3], "conv2d: w must be [out, kh, kw, ",
        x.shape[3], "], got ", w.shape);
  check(w.shape.size() >= 1, "conv2d: w must have channels and a kernel, got ", w.shape);
  check(!bias || bias.shape == Shape{w.shape[0]}, "conv2d: bias must be ", Shape{w.shape[0]},
        ", got ", bias.shape);
  check(how.stride >= 1 && how.padding >= 0 && how.dilation >= 1,
        "conv2d: needs stride >= 1, padding >= 0, dilation >= 1, got ", how.stride, ", ",
        how.padding, ", ", how.dilation);
  const ConvSizes s{x.shape[0], x.shape[1], x.shape[2], x.shape[3],  w.shape[0],
                    w.shape[1], w.shape[2], how.stride, how.padding, how.dilation};
  check(s.h + 2 * s.padding > s.dilation * (s.kh - 1) &&
            s.w + 2 * s.padding > s.dilation * (s.kw - 1),
        "conv2d: the kernel must fit into the padded image, got x ", x.shape, ", w ", w.shape,
        ", padding ", s.padding, ", dilation ", s.dilation);
  int_size("conv2d", int64_t(s.n) * s.h * s.w);
  int_size("conv2d", int64_t(s.kh) * s.kw * s.c_in);
  int_size("conv2d", int64_t(s.n) * s.out_h() * s.out_w());
  Tensor y = empty({s.n, s.out_h(), s.out_w(), s.c_out}, x.dtype, x.device());
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, ConvForward<T>{ptr<T>(y), ptr<T>(x), ptr<T>(w), ptr<Acc<T>>(bias), s});
  });
  return record("conv2d", y, {x, w, bias},
                [x = save(x), w = save(w), s](const Tensor& dy, GradSlots& d) {
                  Tensor dx = d.activation(0), dw = d.weight(1), dbias = d.weight(2);
                  dispatch(dy, [&]<class T>(auto queue, T) {
                    if (dx) run(queue, ConvBackwardData<T>{ptr<T>(dx), ptr<T>(dy), ptr<T>(w), s});
                    if (dw || dbias)
                      run(queue, ConvBackwardWeights<T>{ptr<Acc<T>>(dw), ptr<Acc<T>>(dbias),
                                                        ptr<T>(dy), ptr<T>(x), s});
                  });
                });
}

}  // namespace autodidact
