// Losses that compare a batch with what it should and should not resemble.
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"
#include "kernels/elementwise.h"
#include "kernels/infonce.h"
#include "kernels/nce.h"
#include "kernels/ntxent.h"
#include "kernels/rows.h"
#include "kernels/unit_rows.h"

namespace autodidact {

namespace {

// The scalar on the tape with the gradient that the forward pass has made; none for inference.
Tensor record_made(const char* op, const Tensor& loss, const Tensor& x, const Tensor& made) {
  if (!made) return loss;
  return record(op, loss, {x},
                [made = save(made), dtype = x.dtype](const Tensor& dloss, GradSlots& d) {
                  Tensor scaled = empty_like(made);
                  dispatch(scaled, [&]<class T>(auto device, T) {
                    run(device, ScaleBy<T>{ptr<T>(scaled), ptr<const T>(made),
                                           ptr<const Acc<T>>(dloss), scaled.size()});
                  });
                  d.pass(0, cast(scaled, dtype));
                });
}

void check_rows(const char* op, const char* what, const Tensor& x) {
  check(x.shape.rank() == 2 && x.size() > 0, op, ": ", what, " must be [B, D], got ", x.shape);
}
void check_temperature(const char* op, float temperature) {
  check(temperature > 0, op, ": temperature must be above 0, got ", temperature);
}

// A GPU's indices are not read back for this: kernels/rows.h and nce.h say what a wrong one does.
void check_indices(const char* op, const char* what, const Tensor& indices, int rows) {
  if (indices.device() != Device::cpu) return;
  const int64_t* index = ptr<const int64_t>(indices);
  for (int64_t i = 0; i < indices.size(); ++i)
    check(index[i] >= 0 && index[i] < rows, op, ": ", what, " must be below ", rows, ", got ",
          index[i]);
}

// Against all of `queue`, which may hold k itself.
Tensor compare(const char* op, const Tensor& q, const Tensor& k, const Tensor& queue,
               float temperature, bool unit, bool k_in_queue, Tensor* rank) {
  const int batch = q.shape[0], dim = q.shape[1];
  check(!rank || rank->shape == Shape{batch}, op, ": rank must be ", Shape{batch}, ", got ",
        rank ? rank->shape : Shape{});
  check(!rank || rank->dtype == Dtype::i32, op, ": rank must be i32, got ",
        rank ? rank->dtype : Dtype::i32);
  Tensor loss = empty({}, acc(q.dtype), q.device());
  Tensor dq = q.node ? empty(q.shape, loss.dtype, q.device()) : Tensor();
  dispatch(q, [&]<class T>(auto device, T) {
    run(device, InfoNce<T>{.loss = ptr<Acc<T>>(loss),
                           .row_loss = nullptr,
                           .lse = nullptr,
                           .rank = rank ? ptr<int32_t>(*rank) : nullptr,
                           .dq = ptr<Acc<T>>(dq),
                           .q = ptr<const T>(q),
                           .k = ptr<const T>(k),
                           .queue = ptr<const T>(queue),
                           .batch = batch,
                           .keys = queue.shape[0],
                           .dim = dim,
                           .temperature = temperature,
                           .unit = unit,
                           .k_in_queue = k_in_queue});
  });
  return record_made(op, loss, q, dq);
}

}  // namespace

Tensor infonce(const Tensor& q, const Tensor& k, const Tensor& queue, float temperature, bool unit,
               Tensor* rank) {
  check_dtypes("infonce", q, {{"k", k, q.dtype}, {"queue", queue, q.dtype}}, "q");
  check_rows("infonce", "q", q);
  check(k.shape == q.shape, "infonce: k must be ", q.shape, ", got ", k.shape);
  check(queue.shape.rank() == 2 && queue.shape[0] > 0 && queue.shape[1] == q.shape[1],
        "infonce: queue must be [K, ", q.shape[1], "], got ", queue.shape);
  check_temperature("infonce", temperature);
  check(!k.node && !queue.node, "infonce: k and queue get no gradient: detach them");
  return compare("infonce", q, k, queue, temperature, unit, false, rank);
}

Tensor nonparametric_softmax(const Tensor& v, const Tensor& bank, const Tensor& indices,
                             float temperature, bool unit, Tensor* rank) {
  check_dtypes("nonparametric_softmax", v, {{"bank", bank, v.dtype}}, "v");
  check_rows("nonparametric_softmax", "v", v);
  check(bank.shape.rank() == 2 && bank.shape[0] > 0 && bank.shape[1] == v.shape[1],
        "nonparametric_softmax: bank must be [N, ", v.shape[1], "], got ", bank.shape);
  check(!bank.node, "nonparametric_softmax: bank gets no gradient: detach it");
  check(indices.shape == Shape{v.shape[0]}, "nonparametric_softmax: indices must be ",
        Shape{v.shape[0]}, ", got ", indices.shape);
  check_temperature("nonparametric_softmax", temperature);
  return compare("nonparametric_softmax", v, gather_rows(bank, indices), bank, temperature, unit,
                 true, rank);
}

Tensor noise_contrast(const Tensor& v, const Tensor& bank, const Tensor& indices,
                      const Tensor& noise, float temperature, float shift, Tensor* rank,
                      Tensor* log_mean) {
  check_rows("noise_contrast", "v", v);
  const int batch = v.shape[0], dim = v.shape[1];
  check(bank.shape.rank() == 2 && bank.shape[0] > 0 && bank.shape[1] == dim,
        "noise_contrast: bank must be [N, ", dim, "], got ", bank.shape);
  check(!bank.node && bank.dtype == v.dtype,
        "noise_contrast: bank must be of v's dtype and gets no gradient: detach it");
  check(indices.shape == Shape{batch}, "noise_contrast: indices must be ", Shape{batch}, ", got ",
        indices.shape);
  check(noise.shape.rank() == 2 && noise.shape[0] == batch && noise.shape[1] > 0,
        "noise_contrast: noise must be [", batch, ", M], got ", noise.shape);
  check_temperature("noise_contrast", temperature);
  check(!rank || rank->shape == Shape{batch}, "noise_contrast: rank must be ", Shape{batch},
        ", got ", rank ? rank->shape : Shape{});
  for (const Tensor* rows : {&indices, &noise})
    check_indices("noise_contrast", "rows", *rows, bank.shape[0]);
  Tensor loss = empty({}, acc(v.dtype), v.device());
  Tensor dv = v.node ? empty(v.shape, loss.dtype, v.device()) : Tensor();
  dispatch(v, [&]<class T>(auto device, T) {
    Nce<T> p{};
    p.loss = ptr<Acc<T>>(loss), p.log_mean = log_mean ? ptr<Acc<T>>(*log_mean) : nullptr;
    p.rank = rank ? ptr<int32_t>(*rank) : nullptr, p.dv = ptr<Acc<T>>(dv);
    p.v = ptr<const T>(v), p.bank = ptr<const T>(bank), p.own = ptr<const int64_t>(indices);
    p.noise = ptr<const int64_t>(noise), p.rows = bank.shape[0];
    p.batch = batch, p.negatives = noise.shape[1];
    p.dim = dim, p.temperature = temperature, p.shift = shift;
    run(device, p);
  });
  return record_made("noise_contrast", loss, v, dv);
}

Tensor nt_xent(const Tensor& z, float temperature, Tensor* rank) {
  check(z.shape.rank() == 2 && z.size() > 0 && z.shape[0] % 2 == 0 && z.shape[0] >= 4,
        "nt_xent: z must be [2 B, D], B above 1, got ", z.shape);
  check_temperature("nt_xent", temperature);
  check(!rank || rank->shape == Shape{z.shape[0]}, "nt_xent: rank must be ", Shape{z.shape[0]},
        ", got ", rank ? rank->shape : Shape{});
  Tensor loss = empty({}, acc(z.dtype), z.device());
  Tensor dz = z.node ? empty(z.shape, loss.dtype, z.device()) : Tensor();
  dispatch(z, [&]<class T>(auto device, T) {
    run(device, NtXent<T>{ptr<Acc<T>>(loss), rank ? ptr<int32_t>(*rank) : nullptr, ptr<Acc<T>>(dz),
                          ptr<const T>(z), z.shape[0] / 2, z.shape[1], temperature});
  });
  return record_made("nt_xent", loss, z, dz);
}

Tensor l2_normalize(const Tensor& x, float eps) {
  check_dtypes("l2_normalize", x);
  check(x.shape.rank() >= 1 && x.shape.back() >= 1, "l2_normalize: x must be [.., C], got ",
        x.shape);
  const int cols = x.shape.back();
  const int64_t rows = int_size("l2_normalize", rows_of(x.shape));
  Tensor y = empty_like(x), by = empty({int(rows)}, acc(x.dtype), x.device());
  dispatch(x, [&]<class T>(auto device, T) {
    run(device, UnitRowsForward<T>{ptr<T>(y), ptr<Acc<T>>(by), ptr<const T>(x), rows, cols, eps});
  });
  return record("l2_normalize", y, {x},
                [y = save(y), by = save(by), rows, cols](const Tensor& dy, GradSlots& d) {
                  if (Tensor dx = d.activation(0))
                    dispatch(dy, [&]<class T>(auto device, T) {
                      run(device, UnitRowsBackward<T>{ptr<T>(dx), ptr<const T>(dy), ptr<const T>(y),
                                                      ptr<const Acc<T>>(by), rows, cols});
                    });
                });
}

namespace {

void check_table(const char* op, const Tensor& x, const Tensor& indices) {
  check(x.shape.rank() == 2 && x.shape[1] > 0, op, ": x must be [N, D], got ", x.shape);
  check(!x.node, op, ": x gets no gradient: detach it");
  check(indices.shape.rank() == 1 && indices.dtype == Dtype::i64, op,
        ": indices must be i64 [B], got ", indices.dtype, " ", indices.shape);
  check_indices(op, "indices", indices, x.shape[0]);
}

}  // namespace

Tensor gather_rows(const Tensor& x, const Tensor& indices) {
  check_table("gather_rows", x, indices);
  Tensor rows = empty({indices.shape[0], x.shape[1]}, x.dtype, x.device());
  dispatch(x, [&]<class T>(auto device, T) {
    run(device, GatherRows<T>{ptr<T>(rows), ptr<const T>(x), ptr<const int64_t>(indices),
                              x.shape[0], indices.shape[0], x.shape[1]});
  });
  return rows;
}

void scatter_rows(Tensor& x, const Tensor& indices, const Tensor& rows) {
  check_table("scatter_rows", x, indices);
  check(rows.shape == Shape{indices.shape[0], x.shape[1]} && rows.dtype == x.dtype,
        "scatter_rows: rows must be ", Shape{indices.shape[0], x.shape[1]}, " ", x.dtype, ", got ",
        rows.shape, " ", rows.dtype);
  dispatch(x, [&]<class T>(auto device, T) {
    run(device, ScatterRows<T>{ptr<T>(x), ptr<const T>(rows), ptr<const int64_t>(indices),
                               x.shape[0], indices.shape[0], x.shape[1]});
  });
  ++x.buffer->version;
}

void enqueue(Tensor& queue, Tensor& next, const Tensor& rows) {
  check_dtypes("enqueue", queue, {{"rows", rows, queue.dtype}, {"next", next, Dtype::i32}},
               "queue");
  check(queue.shape.rank() == 2 && queue.size() > 0, "enqueue: queue must be [K, D], got ",
        queue.shape);
  check(rows.shape.rank() == 2 && rows.shape[1] == queue.shape[1], "enqueue: rows must be [B, ",
        queue.shape[1], "], got ", rows.shape);
  check(next.shape == Shape{1}, "enqueue: next must be [1], got ", next.shape);
  dispatch(queue, [&]<class T>(auto device, T) {
    run(device, Enqueue<T>{ptr<T>(queue), ptr<int32_t>(next), ptr<const T>(rows), queue.shape[0],
                           rows.shape[0], queue.shape[1]});
  });
  ++queue.buffer->version, ++next.buffer->version;
}

}  // namespace autodidact
