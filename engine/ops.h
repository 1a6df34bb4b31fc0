// Every differentiable op, one declaration each with its formula and shapes. Bodies:
// engine/ops/<family>.cpp. Tests: one row an op in tests/op_cases.h (a test compares this file with
// the rows).
#pragma once
#include <vector>
#include "engine/autograd.h"
#include "engine/tensor.h"

namespace autodidact {

// ---- elementwise (ops/elementwise.cpp; formulas in kernels/functors.h). Any shape.
Tensor relu(const Tensor& x);
Tensor gelu(const Tensor& x);  // exact: x Phi(x)
Tensor silu(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor softplus(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor neg(const Tensor& x);
// b: of a's shape, the end of it (repeated over the dimensions before), or one element.
Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor maximum(const Tensor& a, const Tensor& b);
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
// factor x
Tensor scale(const Tensor& x, double factor);
// y[n] = factors[n] x[n]: a factor a sample; it has no gradient.   x: [N, ..]; factors: [N] of the
// accumulator's dtype
Tensor scale_rows(const Tensor& x, const Tensor& factors);
// x + bias over the last dimension.   x: [.., C]; bias: [C] of the accumulator's dtype
Tensor add_bias(const Tensor& x, const Tensor& bias);
// x as f32, bf16 or f64; its gradient comes back in x's dtype.
Tensor convert(const Tensor& x, Dtype dtype);

// ---- normalisation (ops/norm.cpp); C is the last dimension, gamma and beta: [C] of the
// accumulator's dtype. What follows a norm in a residual network runs in the same pass:
// y = act(norm + residual), act = ReLU where relu is set; residual: as x, or empty.
struct NormOptions {
  float eps = 1e-5f;
  bool relu = false;
  Tensor residual = {};
};
// gamma (x - mean) / std + beta over the last dimension.
Tensor layernorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps = 1e-5f);
// Over each sample's pixels and each of `groups` runs of channels.   x: [N, .., C]
Tensor groupnorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, int groups,
                 const NormOptions& options = {});
// Training: by the statistics of the batch, or of each of `splits` equal runs of its rows. The
// running statistics [C] are updated as PyTorch's. Empty gamma and beta: 1 and 0.   x: [N, .., C]
Tensor batchnorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor& running_mean,
                 Tensor& running_var, const NormOptions& options = {}, float momentum = 0.1f,
                 int splits = 1);
// By given statistics: at inference, and in training with frozen ones.
Tensor batchnorm_inference(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                           const Tensor& running_mean, const Tensor& running_var,
                           const NormOptions& options = {});

// ---- shape (ops/shape.cpp)
// The same elements under another shape of the same size.
Tensor reshape(const Tensor& x, const Shape& shape);
// Rows [begin, end) of the first dimension.
Tensor slice(const Tensor& x, int begin, int end);

// The last two of two or three dimensions exchanged: [.., R, C] -> [.., C, R].
Tensor transpose(const Tensor& x);
// Zero columns before and after the last dimension: [.., C] -> [.., before + C + after].
Tensor pad_columns(const Tensor& x, int before, int after);
// Columns [begin, end) of the last dimension: [.., C] -> [.., end - begin].
Tensor slice_columns(const Tensor& x, int begin, int end);
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
// C]; labels: i32 [N], below C. NaN where no row counts, as PyTorch's, and on a
// GPU where a label is not below C.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, float label_smoothing = 0);

// ---- contrastive losses (ops/contrastive.cpp)
// InfoNCE over a queue: the mean over rows of log(1 + sum_j exp((q.queue_j - q.k) / temperature)).
// Scalar of the accumulator's dtype. q gets a gradient, computed in the forward pass: the queue may
// move on before backward; k and queue get none. unit: the caller's word that all rows have length
// 1. rank, if given: i32 [B], of how many of the queue the logit is above k's.   q, k: [B, D];
// queue: [K, D]
Tensor infonce(const Tensor& q, const Tensor& k, const Tensor& queue, float temperature,
               bool unit = true, Tensor* rank = nullptr);
// The non-parametric softmax of NPID (Wu et al. 2018, equation 2): cross entropy of telling which
// of the bank's rows each v belongs to. As infonce, but the positive, bank[indices[b]], counts
// once. v: [B, D]; bank: [N, D]; indices: i64 [B]
Tensor nonparametric_softmax(const Tensor& v, const Tensor& bank, const Tensor& indices,
                             float temperature, bool unit = true, Tensor* rank = nullptr);
// NPID's noise-contrastive estimation: as kernels/nce.h has it. Scalar of the accumulator's dtype;
// the gradient is computed in the forward pass. log_mean, if given: f32 or f64 [1], log of the mean
// of exp(v.bank / temperature) seen, from which Z is estimated. On a GPU the loss is NaN where an
// index is not below N.   v: [B, D]; bank: [N, D]; indices: i64 [B]; noise: i64 [B, M]
Tensor noise_contrast(const Tensor& v, const Tensor& bank, const Tensor& indices,
                      const Tensor& noise, float temperature, float shift, Tensor* rank = nullptr,
                      Tensor* log_mean = nullptr);
// NT-Xent (SimCLR): the mean over all rows of -log softmax of the row's other view among all other
// rows. Scalar of the accumulator's dtype; its gradient is computed in the forward pass. rank: as
// infonce's.   z: [2 B, D], rows b and b + B are views of one picture
Tensor nt_xent(const Tensor& z, float temperature, Tensor* rank = nullptr);
// Each row of the last dimension over its length, or over eps where it is shorter.   x: [.., C]
Tensor l2_normalize(const Tensor& x, float eps = 1e-12f);
// Rows x[indices[b]], without a gradient. On a GPU a row is NaN where its index is not below N.
// x: [N, D]; indices: i64 [B]
Tensor gather_rows(const Tensor& x, const Tensor& indices);
// x[indices[b]] = rows[b], in this order. On a GPU an index that is not below N is skipped.
// x: [N, D]; indices: i64 [B]; rows: [B, D]
void scatter_rows(Tensor& x, const Tensor& indices, const Tensor& rows);
// The rows over the oldest of the queue, from row next on, wrapping round; next moves behind them.
// queue: [K, D]; next: i32 [1]; rows: [B, D]
void enqueue(Tensor& queue, Tensor& next, const Tensor& rows);

// ---- sums (ops/reduce.cpp): scalars of the accumulator's dtype, of at least one element
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);

// ---- matrix products (ops/linear.cpp)
// y = x w^T + b.   x: [.., in]; w: [out, in]; b: [out] in the accumulator's dtype, or empty
Tensor linear(const Tensor& x, const Tensor& w, const Tensor& b = {});
// op(a) op(b) of two matrices, or of two batches of them element by element.
// op(a): [m, k] or [N, m, k]; op(b): [k, n] or [N, k, n]
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false);

// ---- attention (ops/attention.cpp)
// softmax(q k^T / sqrt(dim)) v among the T tokens of each sample, for each head.
// qkv: [N, T, 3 C], per token q, k and v of `heads` runs of C / heads channels; y: [N, T, C]
Tensor attention(const Tensor& qkv, int heads);

// ---- patches and tokens (ops/patches.cpp; He et al. 2022, section 3). Patches are numbered row by
// row; a patch is a vector (row, column, channel).
// Which patches stay visible. Empty: all do.
struct PatchMask {
  Tensor visible = {};  // i32 [N, kept]: the patches that stay, in their order
  Tensor place = {};    // i32 [N, patches]: a patch's place among them; -1: it is hidden
  explicit operator bool() const { return bool(place); }
  int kept() const { return visible.shape[1]; }
  int patches() const { return place.shape[1]; }
};
// `kept` of the patches for each sample, by (seed, stream, epoch, index) alone: the same on every
// device.   indices: [N]
PatchMask draw_mask(const std::vector<int64_t>& indices, int patches, int kept, uint64_t seed,
                    uint32_t stream, uint32_t epoch, Device device = Device::cpu);
// The visible patches as rows.   images: [N, H, W, C]; y: [N, kept, patch patch C]
Tensor gather_patches(const Tensor& images, int patch, const PatchMask& mask = {});
// The class token (if given) before the rows of x, and each token's position added.
// x: [N, kept, C]; class_token: of C numbers, or empty; pos: of (1 +) patches rows of C numbers, of
// the accumulator's dtype; y: [N, (1 +) kept, C]
Tensor embed_tokens(const Tensor& x, const Tensor& class_token, const Tensor& pos,
                    const PatchMask& mask = {});
// Every patch at its place again, mask tokens at the hidden ones, positions added.
// x: [N, (1 +) kept, C]; mask_token: of C numbers; pos as above; y: [N, (1 +) patches, C]
Tensor unshuffle(const Tensor& x, const Tensor& mask_token, const Tensor& pos,
                 const PatchMask& mask);
// Mean over all hidden patches and their numbers of (prediction - patch)^2; normalize: of the patch
// less its mean, by its deviation (variance over n - 1, + 1e-6). Scalar of the accumulator's dtype,
// NaN where nothing is hidden. each, if given: [N, patches] of that dtype, a patch's mean, 0 where
// visible.   prediction: [N, (1 +) patches, patch patch C]; images: [N, H, W, C], no gradient
Tensor patch_loss(const Tensor& prediction, const Tensor& images, int patch, const PatchMask& mask,
                  bool normalize = false, Tensor* each = nullptr);

// ---- convolution (ops/conv.cpp)
struct ConvOptions {
  int stride = 1, padding = 0, dilation = 1;
};
// Formula in kernels/conv.h.   x: [N, H, W, in]; w: [out, kh, kw, in]; bias: [out] in the
// accumulator's dtype, or empty
Tensor conv2d(const Tensor& x, const Tensor& w, const Tensor& bias = {},
              const ConvOptions& how = {});

}  // namespace autodidact
