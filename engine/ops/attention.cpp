// Attention among the tokens of a sample.
#include "kernels/attention.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"

namespace autodidact {

namespace {

// lse is written where memory is given for it.
Tensor attention_forward(const Tensor& lse, const Tensor& qkv, int heads) {
  const int batch = qkv.shape[0], tokens = qkv.shape[1], dim = qkv.shape[2] / (3 * heads);
  Tensor o = empty({batch, tokens, heads * dim}, qkv.dtype, qkv.device());
  dispatch(qkv, [&]<class T>(auto queue, T) {
    run(queue, AttentionForward<T>{ptr<T>(o), ptr<Acc<T>>(lse), ptr<const T>(qkv), batch, tokens,
                                   heads, dim});
  });
  return o;
}

}  // namespace

Tensor attention(const Tensor& qkv, int heads) {
  check_dtypes("attention", qkv, {}, "qkv");
  check(qkv.shape.rank() == 3, "attention: qkv must be [N, T, 3 C], got ", qkv.shape);
  const int batch = qkv.shape[0], tokens = qkv.shape[1], packed = qkv.shape[2];
  check(heads >= 1 && packed > 0 && packed % (3 * heads) == 0,
        "attention: heads must divide the channels of q, k and v, got ", heads, " for ", qkv.shape);
  const int dim = packed / (3 * heads);
  int_size("attention", int64_t(tokens) * packed);
  Tensor lse = empty({batch, heads, tokens}, acc(qkv.dtype), qkv.device());
  Tensor o = attention_forward(lse, qkv, heads);
  const Saved kept = keep(qkv);
  const Saved output = remade(o, [qkv = kept, heads] { return attention_forward({}, qkv, heads); });
  return record(
      "attention", o, {qkv},
      [qkv = kept, o = output, lse = save(lse), batch, tokens, heads, dim](const Tensor& dout,
                                                                           GradSlots& d) {
        Tensor dqkv = d.activation(0);
        if (!dqkv) return;
        dispatch(dout, [&]<class T>(auto queue, T) {
          run(queue, AttentionBackward<T>{ptr<T>(dqkv), ptr<const T>(dout), ptr<const T>(*o),
                                          ptr<const T>(*qkv), ptr<const Acc<T>>(*lse), batch,
                                          tokens, heads, dim});
        });
      },
      output);
}

}  // namespace autodidact
