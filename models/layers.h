// The layers that networks are made of: parameters with PyTorch's names, and a call. Initial values
// are those of torchvision's ResNet unless a model says otherwise: He et al. 2015 (fan out) for
// convolutions, PyTorch's uniform(+-1/sqrt(in)) for linear layers, 1 and 0 for norms.
#pragma once
#include <cmath>
#include <variant>
#include "engine/module.h"
#include "engine/ops.h"
#include "engine/random.h"

namespace autodidact {

struct Linear {
  Tensor weight, bias;  // [out, in], [out]

  Linear(int in, int out, Rng& rng) : weight(empty({out, in})), bias(empty({out})) {
    float bound = 1 / std::sqrt(float(in));
    fill_uniform(weight, -bound, bound, rng);
    fill_uniform(bias, -bound, bound, rng);
  }
  Tensor operator()(const Tensor& x) const { return linear(x, weight, bias); }
  void visit(Visitor& v) {
    v("weight", weight, Role::weight);
    v("bias", bias, Role::scalar);
  }
};

// A square kernel with "same" padding (kernel / 2), without a bias: a norm follows or comes before.
struct Conv2d {
  Tensor weight;  // [out, kernel, kernel, in]
  int stride;

  Conv2d(int in, int out, int kernel, int stride_, Rng& rng)
      : weight(empty({out, kernel, kernel, in})), stride(stride_) {
    fill_normal(weight, 0, std::sqrt(2 / float(kernel * kernel * out)), rng);
  }
  Tensor operator()(const Tensor& x) const {
    return conv2d(x, weight, {}, {.stride = stride, .padding = weight.shape[1] / 2});
  }
  void visit(Visitor& v) { v("weight", weight, Role::conv_weight); }
};

// Ioffe & Szegedy 2015. The addition of a residual and the ReLU after it run in the same pass.
struct BatchNorm2d {
  Tensor weight, bias, running_mean, running_var;  // [channels]
  Tensor num_batches_tracked;                      // i64, scalar
  bool training = true;                            // false: normalise by the running statistics
  float momentum = 0.1f, eps = 1e-5f;
  int splits = 1;      // equal parts of the batch with statistics of their own
  float adapting = 0;  // see set_adapting

  explicit BatchNorm2d(int channels)
      : weight(full({channels}, 1)),
        bias(zeros({channels})),
        running_mean(zeros({channels})),
        running_var(full({channels}, 1)),
        num_batches_tracked(zeros({}, Dtype::i64)) {}
  Tensor operator()(const Tensor& x, bool relu = false, const Tensor& residual = {}) const {
    const NormOptions options{.eps = eps, .relu = relu, .residual = residual};
    Tensor count = num_batches_tracked, mean = running_mean, var = running_var;  // same memory
    if (training) {
      increment(count);
      return batchnorm(x, weight, bias, mean, var, options, momentum, splits);
    }
    if (adapting > 0) batchnorm(x, {}, {}, mean, var, {.eps = eps}, adapting);
    return batchnorm_inference(x, weight, bias, running_mean, running_var, options);
  }
  void visit(Visitor& v) {
    v("weight", weight, Role::scalar);
    v("bias", bias, Role::scalar);
    v("running_mean", running_mean, Role::buffer);
    v("running_var", running_var, Role::buffer);
    v("num_batches_tracked", num_batches_tracked, Role::buffer);
    v.training(training), v.batch_splits(splits), v.adapting(adapting);
  }
};

// Wu & He 2018, with the residual and the ReLU in the same pass.
struct GroupNorm {
  Tensor weight, bias;  // [channels]
  int groups;
  float eps = 1e-5f;

  GroupNorm(int groups_, int channels)
      : weight(full({channels}, 1)), bias(zeros({channels})), groups(groups_) {}
  Tensor operator()(const Tensor& x, bool relu = false, const Tensor& residual = {}) const {
    return groupnorm(x, weight, bias, groups, {.eps = eps, .relu = relu, .residual = residual});
  }
  void visit(Visitor& v) {
    v("weight", weight, Role::scalar);
    v("bias", bias, Role::scalar);
  }
};

// Ba et al. 2016, over the last dimension.
struct LayerNorm {
  Tensor weight, bias;  // [channels]
  float eps = 1e-6f;    // timm's for transformers

  explicit LayerNorm(int channels) : weight(full({channels}, 1)), bias(zeros({channels})) {}
  Tensor operator()(const Tensor& x) const { return layernorm(x, weight, bias, eps); }
  void visit(Visitor& v) {
    v("weight", weight, Role::scalar);
    v("bias", bias, Role::scalar);
  }
};

// The norm a recipe asks for: GroupNorm with so many groups, or BatchNorm for none.
struct Norm2d {
  std::variant<BatchNorm2d, GroupNorm> norm;

  Norm2d(int groups, int channels) : norm(BatchNorm2d(channels)) {
    if (groups > 0) norm = GroupNorm(groups, channels);
  }
  Tensor operator()(const Tensor& x, bool relu = false, const Tensor& residual = {}) const {
    return std::visit([&](auto& n) { return n(x, relu, residual); }, norm);
  }
  void visit(Visitor& v) {
    std::visit([&](auto& n) { n.visit(v); }, norm);
  }
};

}  // namespace autodidact
