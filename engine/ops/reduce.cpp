// Sums of everything.
#include "kernels/reduction.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"

namespace autodidact {

static Tensor scaled_sum(const char* op, const Tensor& x, double scale) {
  check_dtypes(op, x);
  const int n = int_size(op, x.size());
  Tensor y = empty({}, acc(x.dtype), x.device());
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, SumAll<T>{ptr<Acc<T>>(y), ptr<const T>(x), x.size(), scale});
  });
  return record(op, y, {x}, [n, scale](const Tensor& dy, GradSlots& d) {
    if (Tensor dx = d.activation(0))
      dispatch(dx, [&]<class T>(auto queue, T) {
        run(queue, SpreadCols<T>{ptr<T>(dx), ptr<const Acc<T>>(dy), 1, n, scale});
      });
  });
}

Tensor sum(const Tensor& x) {
  check(x.size() > 0, "sum: x must have elements, got ", x.shape);
  return scaled_sum("sum", x, 1);
}

Tensor mean(const Tensor& x) {
  check(x.size() > 0, "mean: x must have elements, got ", x.shape);
  return scaled_sum("mean", x, 1 / double(x.size()));
}

}  // namespace autodidact
