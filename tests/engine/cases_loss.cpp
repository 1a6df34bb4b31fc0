// Rows and refusals of softmax, log_softmax and cross_entropy, with their definitions.
#include <cmath>
#include "tests/op_cases.h"

namespace autodidact {

// Labels 0, 1, .. in turn; every fifth row does not count.
static Tensor labels_for(const Tensor& logits) {
  Tensor labels = empty({logits.shape[0]}, Dtype::i32);
  for (int r = 0; r < logits.shape[0]; ++r)
    ptr<int32_t>(labels)[r] = r % 5 == 4 ? -1 : r * 3 % logits.shape[1];
  return to_device(labels, logits.device());
}

static std::vector<double> log_softmax_by_definition(const std::vector<double>& x,
                                                     const Shape& shape) {
  std::vector<double> y(x.size());
  size_t cols = size_t(shape.back());
  for (size_t at = 0; at < x.size(); at += cols) {
    double sum = 0;
    for (size_t c = 0; c < cols; ++c) sum += std::exp(x[at + c] - x[at]);
    for (size_t c = 0; c < cols; ++c) y[at + c] = x[at + c] - x[at] - std::log(sum);
  }
  return y;
}

using Inputs = std::vector<std::vector<double>>;

static std::vector<double> log_softmax_definition(const Inputs& v,
                                                  const std::vector<Shape>& shapes) {
  return log_softmax_by_definition(v[0], shapes[0]);
}

static std::vector<double> softmax_definition(const Inputs& v, const std::vector<Shape>& shapes) {
  std::vector<double> y = log_softmax_by_definition(v[0], shapes[0]);
  for (double& p : y) p = std::exp(p);
  return y;
}

static auto cross_entropy_definition(double smoothing) {
  return [smoothing](const Inputs& v, const std::vector<Shape>& shapes) {
    std::vector<double> log_p = log_softmax_by_definition(v[0], shapes[0]);
    Tensor labels = labels_for(empty(shapes[0]));
    int cols = shapes[0][1], counted = 0;
    double loss = 0;
    for (int r = 0; r < shapes[0][0]; ++r) {
      int label = ptr<int32_t>(labels)[r];
      if (label < 0) continue;
      ++counted;
      for (int c = 0; c < cols; ++c) {
        double target = smoothing / cols + (c == label ? 1 - smoothing : 0);
        loss -= target * log_p[size_t(r * cols + c)];
      }
    }
    return std::vector<double>{loss / counted};
  };
}

OpFamily loss_cases() {
  // Over an empty batch cross_entropy is NaN, as PyTorch's: its row has no such size.
  std::vector<std::vector<Shape>> sizes = {{{1, 1}}, {{7, 10}}, {{33, 17}}, {{100, 1000}}};
  std::vector<std::vector<Shape>> rows = sizes, few = {{{7, 10}}, {{33, 17}}};
  rows.push_back({{0, 10}});
  auto call_softmax = [](auto& v) { return softmax(v[0]); };
  auto call_log_softmax = [](auto& v) { return log_softmax(v[0]); };
  auto call_cross_entropy = [](auto& v) { return cross_entropy(v[0], labels_for(v[0])); };
  return {
      {
          {.op = "softmax", .sizes = rows, .call = call_softmax, .definition = softmax_definition},
          {.op = "log_softmax",
           .sizes = rows,
           .call = call_log_softmax,
           .definition = log_softmax_definition},
          {.op = "cross_entropy",
           .sizes = sizes,
           .call = call_cross_entropy,
           .definition = cross_entropy_definition(0)},
          {.op = "cross_entropy",
           .sizes = sizes,
           .call = [](auto& v) { return cross_entropy(v[0], labels_for(v[0]), 0.1f); },
           .definition = cross_entropy_definition(double(0.1f))},
          // Large logits: what is left of them after the row's maximum is what counts.
          {.op = "softmax",
           .sizes = few,
           .call = call_softmax,
           .low = 990,
           .high = 1010,
           .definition = softmax_definition},
          {.op = "log_softmax",
           .sizes = few,
           .call = call_log_softmax,
           .low = 990,
           .high = 1010,
           .definition = log_softmax_definition},
          {.op = "cross_entropy",
           .sizes = few,
           .call = call_cross_entropy,
           .low = 990,
           .high = 1010,
           .definition = cross_entropy_definition(0)},
      },
      {
          {"softmax",
           {{3, 0}},
           [](auto& v) { return softmax(v[0]); },
           "softmax: x must have a last dimension of at least 1, got [3, 0]"},
          {"log_softmax",
           {{}},
           [](auto& v) { return log_softmax(v[0]); },
           "log_softmax: x must have a last dimension of at least 1, got []"},
          {"cross_entropy",
           {{3, 4}, {2, 4}},
           [](auto& v) { return cross_entropy(v[0], labels_for(v[1])); },
           "cross_entropy: labels must be [3], got [2]"},
          {"cross_entropy",
           {{3, 4}, {3, 9}},
           [](auto& v) { return cross_entropy(v[0], labels_for(v[1])); },
           "cross_entropy: labels must be below 4, got 6"},
          {"cross_entropy",
           {{3, 4}},
           [](auto& v) { return cross_entropy(v[0], empty({3}, Dtype::i64)); },
           "cross_entropy: labels must be i32, got i64"},
          {"softmax",
           {{3, 4}},
           [](auto& v) { return softmax(empty(v[0].shape, Dtype::i32)); },
           "softmax: x must be f32, bf16 or f64, got i32"},
      }};
}

}  // namespace autodidact
