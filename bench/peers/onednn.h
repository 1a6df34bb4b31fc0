// oneDNN (Debian's) behind the argument structs of our own kernels, f32: the comparator of
// bench/compare.sh and an oracle in tests. Built with -DONEDNN=ON alone; no part of the product.
// Activations are NHWC as ours. Weights arrive OHWI as ours do and are reordered in the call where
// oneDNN wants another layout, as a training step would have to.
#pragma once
#include <dnnl.hpp>
#include "kernels/conv.h"
#include "kernels/gemm.h"

namespace autodidact::onednn {

using dnnl::memory;

inline dnnl::engine& cpu() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}
inline dnnl::stream& stream() {
  static dnnl::stream stream(cpu());
  return stream;
}
inline memory wrap(const memory::desc& desc, const float* data) {
  return memory(desc, cpu(), const_cast<float*>(data));
}

struct ConvDescs {
  memory::desc x, y, w, any_w, bias;
  memory::dims strides, dilations, padding;
  explicit ConvDescs(const ConvSizes& s) {
    using tag = memory::format_tag;
    constexpr auto f32 = memory::data_type::f32;
    x = memory::desc({s.n, s.c_in, s.h, s.w}, f32, tag::nhwc);
    y = memory::desc({s.n, s.c_out, s.out_h(), s.out_w()}, f32, tag::nhwc);
    const memory::dims kernel{s.c_out, s.c_in, s.kh, s.kw};
    w = memory::desc(kernel, f32, tag::ohwi);
    any_w = memory::desc(kernel, f32, tag::any);
    bias = memory::desc({s.c_out}, f32, tag::x);
    strides = {s.stride, s.stride};
    dilations = {s.dilation - 1, s.dilation - 1};
    padding = {s.padding, s.padding};
  }
};

constexpr auto kDirect = dnnl::algorithm::convolution_direct;

inline dnnl::convolution_forward::primitive_desc forward_plan(const ConvDescs& d, bool bias) {
  using Forward = dnnl::convolution_forward;
  constexpr auto kind = dnnl::prop_kind::forward_training;
  return {bias ? Forward::desc(kind, kDirect, d.x, d.any_w, d.bias, d.y, d.strides, d.dilations,
                               d.padding, d.padding)
               : Forward::desc(kind, kDirect, d.x, d.any_w, d.y, d.strides, d.dilations, d.padding,
                               d.padding),
          cpu()};
}

inline memory reordered(memory from, const memory::desc& to) {
  if (from.get_desc() == to) return from;
  memory result(to, cpu());
  dnnl::reorder(from, result).execute(stream(), from, result);
  return result;
}

inline void run(const ConvForward<float>& p) {
  const ConvDescs d(p.sizes);
  const auto plan = forward_plan(d, p.bias != nullptr);
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, wrap(d.x, p.x)},
      {DNNL_ARG_WEIGHTS, reordered(wrap(d.w, p.w), plan.weights_desc())},
      {DNNL_ARG_DST, wrap(d.y, p.y)}};
  if (p.bias) arguments[DNNL_ARG_BIAS] = wrap(d.bias, p.bias);
  dnnl::convolution_forward(plan).execute(stream(), arguments);
  stream().wait();
}

inline void run(const ConvBackwardData<float>& p) {
  using Backward = dnnl::convolution_backward_data;
  const ConvDescs d(p.sizes);
  const Backward::primitive_desc plan(
      Backward::desc(kDirect, d.x, d.any_w, d.y, d.strides, d.dilations, d.padding, d.padding),
      cpu(), forward_plan(d, false));
  Backward(plan).execute(stream(),
                         {{DNNL_ARG_DIFF_DST, wrap(d.y, p.dy)},
                          {DNNL_ARG_WEIGHTS, reordered(wrap(d.w, p.w), plan.weights_desc())},
                          {DNNL_ARG_DIFF_SRC, wrap(d.x, p.dx)}});
  stream().wait();
}

// Without the gradient of the bias.
inline void run(const ConvBackwardWeights<float>& p) {
  using Backward = dnnl::convolution_backward_weights;
  const ConvDescs d(p.sizes);
  const Backward::primitive_desc plan(
      Backward::desc(kDirect, d.x, d.any_w, d.y, d.strides, d.dilations, d.padding, d.padding),
      cpu(), forward_plan(d, false));
  const bool as_ours = plan.diff_weights_desc() == d.w;
  memory ours = wrap(d.w, p.dw), dw = as_ours ? ours : memory(plan.diff_weights_desc(), cpu());
  Backward(plan).execute(stream(), {{DNNL_ARG_SRC, wrap(d.x, p.x)},
                                    {DNNL_ARG_DIFF_DST, wrap(d.y, p.dy)},
                                    {DNNL_ARG_DIFF_WEIGHTS, dw}});
  if (!as_ours) dnnl::reorder(dw, ours).execute(stream(), dw, ours);
  stream().wait();
}

// C = op(A) op(B): alpha, beta, bias and ReLU are left to their defaults.
inline void run(const Gemm<float>& g) {
  constexpr auto f32 = memory::data_type::f32;
  auto matrix = [&](int rows, int cols, int64_t pitch, bool transposed, int64_t stride) {
    return memory::desc({g.batch, rows, cols}, f32,
                        {stride, transposed ? 1 : pitch, transposed ? pitch : 1});
  };
  const memory::desc a = matrix(g.m, g.k, g.lda, g.transpose_a, g.stride_a);
  const memory::desc b = matrix(g.k, g.n, g.ldb, g.transpose_b, g.stride_b);
  const memory::desc c = matrix(g.m, g.n, g.ldc, false, g.stride_c);
  const dnnl::matmul::primitive_desc plan(dnnl::matmul::desc(a, b, c), cpu());
  dnnl::matmul(plan).execute(stream(), {{DNNL_ARG_SRC, wrap(a, g.a)},
                                        {DNNL_ARG_WEIGHTS, wrap(b, g.b)},
                                        {DNNL_ARG_DST, wrap(c, g.c)}});
  stream().wait();
}

}  // namespace autodidact::onednn
