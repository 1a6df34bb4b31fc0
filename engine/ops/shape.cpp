#include "engine/ops.h"

namespace autodidact {

Tensor reshape(const Tensor& x, const Shape& shape) {
  check(shape.size() == x.size(), "reshape: ", x.shape, " has ", x.size(), " elements, ", shape,
        " has ", shape.size());
  return record("reshape", view(x, shape), {x},
                [from = x.shape](const Tensor& dy, GradSlots& d) { d.pass(0, view(dy, from)); });
}

Tensor slice(const Tensor& x, int begin, int end) {
  check(x.shape.rank() >= 1 && 0 <= begin && begin <= end && end <= x.shape[0], "slice: rows ",
        begin, " to ", end, " of ", x.shape);
  return record("slice", view_rows(x, begin, end), {x},
                [begin, end](const Tensor& dy, GradSlots& d) {
                  if (Tensor dx = d.activation(0)) {
                    fill(dx, 0);
                    Tensor rows = view_rows(dx, begin, end);
                    copy(rows, dy);
                  }
                });
}

}  // namespace autodidact
