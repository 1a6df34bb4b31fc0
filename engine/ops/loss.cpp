// Softmax, log softmax and cross entropy.
#include "kernels/softmax.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"

namespace autodidact {

static void check_rows(const char* op, const Tensor& x) {
  check_dtypes(op, x);
  check(x.shape.rank() >= 1 && x.shape.back() > 0, op,
        ": x must have a last dimension of at least 1, got ", x.shape);
}

Tensor softmax(const Tensor& x) {
  check_rows("softmax", x);
  int cols = x.shape.back();
  int64_t rows = x.size() / cols;
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, SoftmaxForward<T>{ptr<T>(y), ptr<const T>(x), rows, cols});
  });
  return record("softmax", y, {x}, [y = save(y), rows, cols](const Tensor& dy, GradSlots& d) {
    if (Tensor dx = d.activation(0))
      dispatch(dy, [&]<class T>(auto queue, T) {
        run(queue, SoftmaxBackward<T>{ptr<T>(dx), ptr<const T>(dy), ptr<const T>(y), rows, cols});
      });
  });
}

Tensor log_softmax(const Tensor& x) {
  check_rows("log_softmax", x);
  int cols = x.shape.back();
  int64_t rows = x.size() / cols;
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, LogSoftmaxForward<T>{ptr<T>(y), ptr<const T>(x), rows, cols});
  });
  return record("log_softmax", y, {x}, [y = save(y), rows, cols](const Tensor& dy, GradSlots& d) {
    if (Tensor dx = d.activation(0))
      dispatch(dy, [&]<class T>(auto queue, T) {
        run(queue,
            LogSoftmaxBackward<T>{ptr<T>(dx), ptr<const T>(dy), ptr<const T>(y), rows, cols});
      });
  });
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, float label_smoothing) {
  check_dtypes("cross_entropy", logits, {{"labels", labels, Dtype::i32}}, "logits");
  check(logits.shape.rank() == 2 && logits.shape[1] > 0,
        "cross_entropy: logits must be [N, C], got ", logits.shape);
  int rows = logits.shape[0], cols = logits.shape[1];
  check(labels.shape == Shape{rows}, "cross_entropy: labels must be ", Shape{rows}, ", got ",
        labels.shape);
  // A GPU's labels are not read back for this: there a wrong one makes the loss NaN.
  if (labels.device() == Device::cpu)
    for (int r = 0; r < rows; ++r)
      check(ptr<const int32_t>(labels)[r] < cols, "cross_entropy: labels must be below ", cols,
            ", got ", ptr<const int32_t>(labels)[r]);
  Tensor loss = empty({}, acc(logits.dtype), logits.device()),
         max = empty({rows}, loss.dtype, logits.device()), log_sum = empty_like(max);
  dispatch(logits, [&]<class T>(auto queue, T) {
    run(queue, CrossEntropyForward<T>{ptr<Acc<T>>(loss), ptr<Acc<T>>(max), ptr<Acc<T>>(log_sum),
                                      nullptr, ptr<const T>(logits), ptr<const int32_t>(labels),
                                      rows, cols, label_smoothing});
  });
  return record(
      "cross_entropy", loss, {logits},
      [logits = save(logits), max = save(max), log_sum = save(log_sum), labels = save(labels), rows,
       cols, label_smoothing](const Tensor& dloss, GradSlots& d) {
        if (Tensor dlogits = d.activation(0))
          dispatch(dlogits, [&]<class T>(auto queue, T) {
            run(queue, CrossEntropyBackward<T>{
                           ptr<T>(dlogits), ptr<const Acc<T>>(dloss), ptr<const T>(logits),
                           ptr<const Acc<T>>(max), ptr<const Acc<T>>(log_sum),
                           ptr<const int32_t>(labels), rows, cols, label_smoothing});
          });
      });
}

}  // namespace autodidact
