// Pooling over NHWC images.
#include "kernels/pool.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"

namespace autodidact {

static PoolShape pool_shape(const char* op, const Tensor& x, int kernel, int stride, int pad) {
  check_dtypes(op, x);
  check(x.shape.rank() == 4, op, ": x must be [N, H, W, C], got ", x.shape);
  check(kernel >= 1 && kernel <= 16 && stride >= 1 && pad >= 0 && pad <= kernel / 2, op,
        ": kernel from 1 to 16, stride >= 1 and padding from 0 to kernel / 2, got ", kernel, ", ",
        stride, ", ", pad);
  PoolShape s{x.shape[0], x.shape[1], x.shape[2], x.shape[3], kernel, stride, pad};
  check(s.height + 2 * pad >= kernel && s.width + 2 * pad >= kernel, op, ": a window of ", kernel,
        " does not fit ", x.shape);
  return s;
}

static Tensor empty_output(const Tensor& x, const PoolShape& s, Dtype dtype,
                           const char* op = __builtin_FUNCTION()) {
  return empty({s.samples, s.out_height(), s.out_width(), s.channels}, dtype, x.device(), op);
}

Tensor max_pool2d(const Tensor& x, int kernel, int stride, int pad) {
  PoolShape s = pool_shape("max_pool2d", x, kernel, stride, pad);
  Tensor y = empty_output(x, s, x.dtype), from = x.node ? empty_output(x, s, Dtype::u8) : Tensor();
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, MaxPoolForward<T>{ptr<T>(y), ptr<uint8_t>(from), ptr<const T>(x), s});
  });
  return record("max_pool2d", y, {x}, [from = save(from), s](const Tensor& dy, GradSlots& d) {
    if (Tensor dx = d.activation(0))
      dispatch(dy, [&]<class T>(auto queue, T) {
        run(queue, MaxPoolBackward<T>{ptr<T>(dx), ptr<const T>(dy), ptr<const uint8_t>(from), s});
      });
  });
}

Tensor avg_pool2d(const Tensor& x, int kernel, int stride, int pad) {
  PoolShape s = pool_shape("avg_pool2d", x, kernel, stride, pad);
  Tensor y = empty_output(x, s, x.dtype);
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, AvgPoolForward<T>{ptr<T>(y), ptr<const T>(x), s});
  });
  return record("avg_pool2d", y, {x}, [s](const Tensor& dy, GradSlots& d) {
    if (Tensor dx = d.activation(0))
      dispatch(dy, [&]<class T>(auto queue, T) {
        run(queue, AvgPoolBackward<T>{ptr<T>(dx), ptr<const T>(dy), s});
      });
  });
}

Tensor global_avg_pool(const Tensor& x) {
  check_dtypes("global_avg_pool", x);
  check(x.shape.rank() == 4 && x.shape[1] >= 1 && x.shape[2] >= 1,
        "global_avg_pool: x must be [N, H, W, C] with pixels, got ", x.shape);
  int samples = x.shape[0], channels = x.shape[3];
  int pixels = int_size("global_avg_pool", int64_t(x.shape[1]) * x.shape[2]);
  Tensor y = empty({samples, channels}, x.dtype, x.device());
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, GlobalAvgPoolForward<T>{ptr<T>(y), ptr<const T>(x), samples, pixels, channels});
  });
  return record(
      "global_avg_pool", y, {x}, [samples, pixels, channels](const Tensor& dy, GradSlots& d) {
        if (Tensor dx = d.activation(0))
          dispatch(dy, [&]<class T>(auto queue, T) {
            run(queue,
                GlobalAvgPoolBackward<T>{ptr<T>(dx), ptr<const T>(dy), samples, pixels, channels});
          });
      });
}

}  // namespace autodidact
