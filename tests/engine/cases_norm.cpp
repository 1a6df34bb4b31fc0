// Rows and refusals of the normalisations; tests/kernels/test_*norm.cpp have their definitions.
#include "tests/op_cases.h"

namespace autodidact {

namespace {

Tensor call_batchnorm(const std::vector<Tensor>& v, const NormOptions& options, int splits = 1) {
  Dtype dtype = acc(v[0].dtype);
  Device device = v[0].device();
  Tensor mean = zeros({v[0].shape.back()}, dtype, device), var = full(mean.shape, 1, dtype, device);
  return batchnorm(v[0], v[1], v[2], mean, var, options, 0.1f, splits);
}

Tensor call_inference(const std::vector<Tensor>& v, const NormOptions& options) {
  Dtype dtype = acc(v[0].dtype);
  Device device = v[0].device();
  Tensor mean = full({v[0].shape.back()}, 0.25, dtype, device);
  Tensor var = full(mean.shape, 1.5, dtype, device);
  return batchnorm_inference(v[0], v[1], v[2], mean, var, options);
}

}  // namespace

OpFamily norm_cases() {
  return {
      {
          {.op = "layernorm",
           .sizes = {{{3, 2}, {2}, {2}},
                     {{3, 7}, {7}, {7}},
                     {{2, 5, 33}, {33}, {33}},
                     {{70, 192}, {192}, {192}},
                     {{0, 7}, {7}, {7}}},
           .call = [](auto& v) { return layernorm(v[0], v[1], v[2]); },
           .parameters = {1, 2}},
          {.op = "groupnorm",
           .sizes = {{{3, 4}, {4}, {4}},
                     {{2, 3, 5, 6}, {6}, {6}},
                     {{3, 70, 16}, {16}, {16}},
                     {{0, 5, 6}, {6}, {6}}},
           .call = [](auto& v) { return groupnorm(v[0], v[1], v[2], 2); },
           .parameters = {1, 2}},
          {.op = "groupnorm",
           .sizes = {{{2, 3, 5, 6}, {6}, {6}, {2, 3, 5, 6}},
                     {{3, 70, 16}, {16}, {16}, {3, 70, 16}}},
           .call =
               [](auto& v) {
                 return groupnorm(v[0], v[1], v[2], 2, {.relu = true, .residual = v[3]});
               },
           .parameters = {1, 2}},
          {.op = "groupnorm",
           .sizes = {{{2, 3, 5, 6}, {6}, {6}, {2, 3, 5, 6}}},
           .call = [](auto& v) { return groupnorm(v[0], v[1], v[2], 3, {.residual = v[3]}); },
           .parameters = {1, 2}},
          {.op = "batchnorm",
           .sizes = {{{5, 1}, {1}, {1}}, {{2, 3, 5, 6}, {6}, {6}}, {{300, 17}, {17}, {17}}},
           .call = [](auto& v) { return call_batchnorm(v, {}); },
           .parameters = {1, 2}},
          {.op = "batchnorm",
           .sizes = {{{2, 3, 5, 6}, {6}, {6}, {2, 3, 5, 6}}, {{300, 17}, {17}, {17}, {300, 17}}},
           .call = [](auto& v) { return call_batchnorm(v, {.relu = true, .residual = v[3]}); },
           .parameters = {1, 2}},
          {.op = "batchnorm",
           .sizes = {{{4, 9, 6}, {6}, {6}}, {{300, 17}, {17}, {17}}},
           .call = [](auto& v) { return call_batchnorm(v, {.relu = true}, 2); },
           .parameters = {1, 2}},
          {.op = "batchnorm",
           .sizes = {{{4, 9, 6}}},
           .call =
               [](auto& v) {
                 Dtype dtype = acc(v[0].dtype);
                 Device device = v[0].device();
                 Tensor mean = zeros({6}, dtype, device), var = full({6}, 1, dtype, device);
                 return batchnorm(v[0], {}, {}, mean, var);
               }},
          {.op = "batchnorm_inference",
           .sizes = {{{1, 1}, {1}, {1}},
                     {{2, 3, 5, 6}, {6}, {6}},
                     {{300, 17}, {17}, {17}},
                     {{0, 6}, {6}, {6}}},
           .call = [](auto& v) { return call_inference(v, {}); },
           .parameters = {1, 2}},
          {.op = "batchnorm_inference",
           .sizes = {{{2, 3, 5, 6}, {6}, {6}, {2, 3, 5, 6}}},
           .call = [](auto& v) { return call_inference(v, {.relu = true, .residual = v[3]}); },
           .parameters = {1, 2}},
      },
      {
          {"layernorm",
           {{4, 3}, {4}, {3}},
           [](auto& v) { return layernorm(v[0], v[1], v[2]); },
           "layernorm: gamma must be [3] f32, got [4] f32"},
          {"groupnorm",
           {{4, 5, 6}, {6}, {6}},
           [](auto& v) { return groupnorm(v[0], v[1], v[2], 4); },
           "groupnorm: groups must divide the 6 channels, got 4"},
          {"groupnorm",
           {{4, 5, 6}, {6}, {6}, {5, 6}},
           [](auto& v) { return groupnorm(v[0], v[1], v[2], 2, {.residual = v[3]}); },
           "groupnorm: the residual must be as x, [4, 5, 6] f32, got [5, 6] f32"},
          {"batchnorm",
           {{1, 6}, {6}, {6}},
           [](auto& v) { return call_batchnorm(v, {}); },
           "batchnorm: training needs two values a channel, got [1, 6] in 1 splits"},
          {"batchnorm",
           {{5, 6}, {6}, {6}},
           [](auto& v) { return call_batchnorm(v, {}, 2); },
           "batchnorm: splits must divide the 5 samples, got 2"},
          {"batchnorm_inference",
           {{4, 6}, {5}, {6}},
           [](auto& v) { return call_inference(v, {}); },
           "batchnorm_inference: gamma must be [6] f32, got [5] f32"},
          {"groupnorm",
           {{4, 0, 6}, {6}, {6}},
           [](auto& v) { return groupnorm(v[0], v[1], v[2], 2); },
           "groupnorm: x must be [N, .., C] with pixels and channels, got [4, 0, 6]"},
          {"layernorm",
           {{4, 3}, {3}, {3}},
           [](auto& v) { return layernorm(empty(v[0].shape, Dtype::i32), v[1], v[2]); },
           "layernorm: x must be f32, bf16 or f64, got i32"},
      }};
}

}  // namespace autodidact
