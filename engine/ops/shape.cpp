// Ops that move numbers: views (reshape, slice) and copies (transpose, pad, concatenate).
#include "kernels/shape.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"

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

static void run_transpose(const Tensor& y, const Tensor& x) {
  int rank = x.shape.rank(), rows = x.shape[rank - 2], cols = x.shape[rank - 1];
  int batch = rank == 3 ? x.shape[0] : 1;
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, Transpose<T>{ptr<T>(y), ptr<const T>(x), batch, rows, cols});
  });
}

Tensor transpose(const Tensor& x) {
  int rank = x.shape.rank();
  check_dtypes("transpose", x);
  check(rank == 2 || rank == 3, "transpose: x must have two or three dimensions, got ", x.shape);
  Shape shape = x.shape;
  std::swap(shape[rank - 2], shape[rank - 1]);
  Tensor y = empty(shape, x.dtype, x.device());
  run_transpose(y, x);
  return record("transpose", y, {x}, [](const Tensor& dy, GradSlots& d) {
    if (Tensor dx = d.activation(0)) run_transpose(dx, dy);
  });
}

// y[r, c] = x[r, c - before]; a negative `before` cuts.
static void run_pad(const Tensor& y, const Tensor& x, int before) {
  int64_t rows = x.size() / x.shape.back();
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue,
        PadColumns<T>{ptr<T>(y), ptr<const T>(x), rows, y.shape.back(), x.shape.back(), before});
  });
}

Tensor pad_columns(const Tensor& x, int before, int after) {
  check_dtypes("pad_columns", x);
  check(x.shape.rank() >= 1 && x.shape.back() > 0 && before >= 0 && after >= 0,
        "pad_columns: needs columns and padding >= 0, got ", x.shape, ", ", before, " before, ",
        after, " after");
  Shape shape = x.shape;
  shape[shape.rank() - 1] += before + after;
  Tensor y = empty(shape, x.dtype, x.device());
  run_pad(y, x, before);
  return record("pad_columns", y, {x}, [before](const Tensor& dy, GradSlots& d) {
    if (Tensor dx = d.activation(0)) run_pad(dx, dy, -before);
  });
}

Tensor slice_columns(const Tensor& x, int begin, int end) {
  check_dtypes("slice_columns", x);
  check(x.shape.rank() >= 1 && 0 <= begin && begin < end && end <= x.shape.back(),
        "slice_columns: columns ", begin, " to ", end, " of ", x.shape);
  Shape shape = x.shape;
  shape[shape.rank() - 1] = end - begin;
  Tensor y = empty(shape, x.dtype, x.device());
  run_pad(y, x, -begin);
  return record("slice_columns", y, {x}, [begin](const Tensor& dy, GradSlots& d) {
    if (Tensor dx = d.activation(0)) run_pad(dx, dy, begin);
  });
}

Tensor concat_columns(const Tensor& a, const Tensor& b) {
  check_dtypes("concat_columns", a, {{"b", b, a.dtype}}, "a");
  Shape shape = a.shape, rest_b = b.shape;
  check(a.shape.rank() >= 1 && a.shape.rank() == b.shape.rank(),
        "concat_columns: ranks must agree, got ", a.shape, " and ", b.shape);
  int last = shape.rank() - 1;
  rest_b[last] = shape[last];
  check(shape == rest_b && shape[last] > 0 && b.shape[last] > 0,
        "concat_columns: all dimensions but the last must agree, got ", a.shape, " and ", b.shape);
  int64_t rows = a.size() / a.shape.back();
  int a_cols = a.shape.back(), b_cols = b.shape.back(), cols = a_cols + b_cols;
  shape[last] = cols;
  Tensor y = empty(shape, a.dtype, a.device());
  dispatch(y, [&]<class T>(auto queue, T) {
    run(queue, CopyColumns<T>{ptr<T>(y), ptr<const T>(a), rows, a_cols, cols, a_cols});
    run(queue, CopyColumns<T>{ptr<T>(y) + a_cols, ptr<const T>(b), rows, b_cols, cols, b_cols});
  });
  return record(
      "concat_columns", y, {a, b}, [rows, a_cols, b_cols, cols](const Tensor& dy, GradSlots& d) {
        Tensor da = d.activation(0), db = d.activation(1);
        dispatch(dy, [&]<class T>(auto queue, T) {
          if (da)
            run(queue, CopyColumns<T>{ptr<T>(da), ptr<const T>(dy), rows, a_cols, a_cols, cols});
          if (db)
            run(queue,
                CopyColumns<T>{ptr<T>(db), ptr<const T>(dy) + a_cols, rows, b_cols, b_cols, cols});
        });
      });
}

}  // namespace autodidact
