// Every differentiable op, one declaration each with its formula and shapes. Bodies:
// engine/ops/<family>.cpp. Tests: one row an op in tests/op_cases.h (a test compares this file with
// the rows).
#pragma once
#include "engine/autograd.h"
#include "engine/tensor.h"

namespace autodidact {

// ---- shape (ops/shape.cpp)
// The same elements under another shape of the same size.
Tensor reshape(const Tensor& x, const Shape& shape);
// Rows [begin, end) of the first dimension.
Tensor slice(const Tensor& x, int begin, int end);

// The last two of two or three dimensions exchanged: [.., R, C] -> [.., C, R].
Tensor transpose(const Tensor& x);
// Zero columns before and after the last dimension: [.., C] -> [.., before + C + after].
Tensor pad_columns(const Tensor& x, int before, int after);
// Two tensors side by side in the last dimension: [.., A], [.., B] -> [.., A + B].
Tensor concat_columns(const Tensor& a, const Tensor& b);

// ---- pooling over [N, H, W, C] (ops/pool.cpp); out = (in + 2 pad - kernel) / stride + 1
Tensor max_pool2d(const Tensor& x, int kernel, int stride, int pad);
// Positions in the padding count as zeros.
Tensor avg_pool2d(const Tensor& x, int kernel, int stride, int pad);
// The mean over all pixels: [N, H, W, C] -> [N, C].
Tensor global_avg_pool(const Tensor& x);

// ---- softmax and losses (ops/loss.cpp)
// Over the last dimension: exp(x) / sum exp(x), and its logarithm.
Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);
// Mean over the rows whose label is not negative of -sum_c target_c log softmax(logits)_c, target =
// (1 - smoothing) onehot(label) + smoothing / C. Scalar of the accumulator's dtype.   logits: [N,
// C]; labels: i32 [N], below C
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, float label_smoothing = 0);

// ---- sums (ops/reduce.cpp): scalars of the accumulator's dtype
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);

// ---- matrix products (ops/linear.cpp)
// y = x w^T + b.   x: [.., in]; w: [out, in]; b: [out] in the accumulator's dtype, or empty
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b = {});
// op(a) op(b) of two matrices, or of two batches of them element by element.
// op(a): [m, k] or [N, m, k]; op(b): [k, n] or [N, k, n]
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

// ---- convolution (ops/conv.cpp)
struct ConvOptions {
  int stride = 1, padding = 0, dilation = 1;
};
// Formula in kernels/conv.h.   x: [N, H, W, in]; w: [out, kh, kw, in]; bias: [out] in the
// accumulator's dtype, or empty
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias = {},
              const ConvOptions& how = {});

}  // namespace autodidact
