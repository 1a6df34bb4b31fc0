// Matrix products: linear and matmul.
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"
#include "kernels/gemm.h"
#include "kernels/reduction.h"

namespace autodidact {

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b) {
  check_dtypes("linear", x, {{"w", w, x.dtype}, {"b", b, acc(x.dtype)}});
  check(w.shape.rank() == 2, "linear: w must be [out, in], got ", w.shape);
  const int out = w.shape[0], in = w.shape[1];
  check(x.shape.rank() >= 1 && x.shape.back() == in, "linear: x must be [.., ", in, "], got ",
        x.shape);
  check(!b || b.shape == Shape{out}, "linear: b must be ", Shape{out}, ", got ", b.shape);
  Shape y_shape = x.shape;
  y_shape[y_shape.rank() - 1] = out;
  const int rows = int_size("linear", rows_of(x.shape));
  Tensor y = empty(y_shape, x.dtype, x.device());
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, Gemm<T>{.c = ptr<T>(y),
                       .a = ptr<T>(x),
                       .b = ptr<T>(w),
                       .bias = ptr<Acc<T>>(b),
                       .m = rows,
                       .n = out,
                       .k = in,
                       .lda = in,
                       .ldb = in,
                       .ldc = out,
                       .transpose_b = true});
  });
  return record("linear", y, {x, w, b},
                [x = save(x), w = save(w), rows, in, out](const Tensor& dy, GradSlots& d) {
                  Tensor dx = d.activation(0), dw = d.weight(1), db = d.weight(2);
                  dispatch(dy, [&]<class T>(auto queue, T) {
                    if (dx)
                      run(queue, Gemm<T>{.c = ptr<T>(dx),
                                         .a = ptr<T>(dy),
                                         .b = ptr<T>(w),
                                         .m = rows,
                                         .n = in,
                                         .k = out,
                                         .lda = out,
                                         .ldb = in,
                                         .ldc = in});
                    if (dw)
                      run(queue, Gemm<T, Acc<T>>{.c = ptr<Acc<T>>(dw),
                                                 .a = ptr<T>(dy),
                                                 .b = ptr<T>(x),
                                                 .m = out,
                                                 .n = in,
                                                 .k = rows,
                                                 .lda = out,
                                                 .ldb = in,
                                                 .ldc = in,
                                                 .transpose_a = true});
                    if (db) run(queue, SumRows<T>{ptr<Acc<T>>(db), ptr<T>(dy), rows, out});
                  });
                });
}

namespace {

// c = op(a) op(b) for dense [batch, rows, columns] (or [rows, columns]) tensors.
void multiply(Tensor& c, const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b) {
  const int rank = c.shape.rank(), batch = rank == 3 ? c.shape[0] : 1;
  const int m = c.shape[rank - 2], n = c.shape[rank - 1];
  const int k = a.shape[transpose_a ? rank - 2 : rank - 1];
  dispatch(c, [&]<class T>(auto queue, T) {
    run(queue, Gemm<T>{.c = ptr<T>(c),
                       .a = ptr<T>(a),
                       .b = ptr<T>(b),
                       .m = m,
                       .n = n,
                       .k = k,
                       .lda = transpose_a ? m : k,
                       .ldb = transpose_b ? k : n,
                       .ldc = n,
                       .transpose_a = transpose_a,
                       .transpose_b = transpose_b,
                       .batch = batch,
                       .stride_a = int64_t(m) * k,
                       .stride_b = int64_t(k) * n,
                       .stride_c = int64_t(m) * n});
  });
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  check_dtypes("matmul", a, {{"b", b, a.dtype}}, "a");
  const int rank = a.shape.rank();
  check((rank == 2 || rank == 3) && b.shape.rank() == rank, "matmul: needs two matrices or two ",
        "batches of them, got ", a.shape, " and ", b.shape);
  const int m = a.shape[rank - (transpose_a ? 1 : 2)], k = a.shape[rank - (transpose_a ? 2 : 1)];
  const int n = b.shape[rank - (transpose_b ? 2 : 1)], k_b = b.shape[rank - (transpose_b ? 1 : 2)];
  check(k == k_b && (rank == 2 || a.shape[0] == b.shape[0]), "matmul: ", a.shape,
        transpose_a ? " transposed" : "", " does not fit ", b.shape,
        transpose_b ? " transposed" : "");
  Shape shape = a.shape;
  shape[rank - 2] = m, shape[rank - 1] = n;
  Tensor c = empty(shape, a.dtype, a.device());
  multiply(c, a, transpose_a, b, transpose_b);
  return record(
      "matmul", c, {a, b},
      [a = save(a), b = save(b), transpose_a, transpose_b](const Tensor& dc, GradSlots& d) {
        // da = dc op(b)^T and db = op(a)^T dc, each transposed where its input was.
        if (Tensor da = d.activation(0)) {
          if (transpose_a) multiply(da, b, transpose_b, dc, true);
          else multiply(da, dc, false, b, !transpose_b);
        }
        if (Tensor db = d.activation(1)) {
          if (transpose_b) multiply(db, dc, true, a, transpose_a);
          else multiply(db, a, !transpose_a, dc, false);
        }
      });
}

}  // namespace autodidact
