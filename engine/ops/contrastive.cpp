// Losses that compare a batch with what it should and should not resemble.
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"
#include "kernels/elementwise.h"
#include "kernels/infonce.h"

namespace autodidact {

Tensor infonce(const Tensor& q, const Tensor& k, const Tensor& queue, float temperature, bool unit,
               Tensor* rank) {
  check_dtypes("infonce", q, {{"k", k, q.dtype}, {"queue", queue, q.dtype}}, "q");
  check(q.shape.rank() == 2 && q.size() > 0, "infonce: q must be [B, D], got ", q.shape);
  const int batch = q.shape[0], dim = q.shape[1];
  check(k.shape == q.shape, "infonce: k must be ", q.shape, ", got ", k.shape);
  check(queue.shape.rank() == 2 && queue.shape[0] > 0 && queue.shape[1] == dim,
        "infonce: queue must be [K, ", dim, "], got ", queue.shape);
  check(temperature > 0, "infonce: temperature must be above 0, got ", temperature);
  check(!k.node && !queue.node, "infonce: k and queue get no gradient: detach them");
  check(!rank || rank->shape == Shape{batch}, "infonce: rank must be ", Shape{batch}, ", got ",
        rank ? rank->shape : Shape{});
  check(!rank || rank->dtype == Dtype::i32, "infonce: rank must be i32, got ",
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
                           .unit = unit});
  });
  if (!dq) return loss;
  return record("infonce", loss, {q},
                [dq = save(dq), dtype = q.dtype](const Tensor& dloss, GradSlots& d) {
                  Tensor scaled = empty_like(dq);
                  dispatch(scaled, [&]<class T>(auto device, T) {
                    run(device, ScaleBy<T>{ptr<T>(scaled), ptr<const T>(dq),
                                           ptr<const Acc<T>>(dloss), scaled.size()});
                  });
                  d.pass(0, cast(scaled, dtype));
                });
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
