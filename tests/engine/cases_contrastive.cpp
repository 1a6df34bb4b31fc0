#include <cmath>
#include "tests/op_cases.h"

namespace autodidact {

// `rows` keys of q's dtype and dimension, of about length 1, that no input holds: they get no
// gradient.
static Tensor keys_for(const Tensor& q, int rows, double phase) {
  const int dim = q.shape[1];
  Tensor keys = empty({rows, dim}, Dtype::f64);
  for (int64_t i = 0; i < keys.size(); ++i)
    ptr<double>(keys)[i] =
        float(bf16(float(std::sin(double(i) * 0.7 + phase) * std::sqrt(2.0 / dim))));
  return to_device(cast(keys, q.dtype), q.device());
}
static Tensor loss_of(const Tensor& q, int keys, float temperature, bool unit) {
  return infonce(q, keys_for(q, q.shape[0], 0.4), keys_for(q, keys, 1.1), temperature, unit);
}

// Which of `rows` each of `count` picks.
static Tensor indices_for(int count, int rows, Device device = Device::cpu) {
  Tensor indices = empty({count}, Dtype::i64);
  for (int i = 0; i < count; ++i) ptr<int64_t>(indices)[i] = (i * 5 + 2) % rows;
  return to_device(indices, device);
}

using Inputs = std::vector<std::vector<double>>;

static double dot(const double* a, const double* b, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

constexpr float kTemperature = 0.3f;

// -log softmax of the other view among all rows but the row itself.
static std::vector<double> nt_xent_definition(const Inputs& v, const std::vector<Shape>& shapes) {
  const int rows = shapes[0][0], dim = shapes[0][1];
  double total = 0;
  for (int i = 0; i < rows; ++i) {
    const double* z = v[0].data();
    double sum = 0;
    for (int j = 0; j < rows; ++j)
      if (j != i) sum += std::exp(dot(z + i * dim, z + j * dim, dim) / double(kTemperature));
    const int other = (i + rows / 2) % rows;
    total += std::log(sum) - dot(z + i * dim, z + other * dim, dim) / double(kTemperature);
  }
  return {total / rows};
}

static constexpr int kBank = 41;
static Tensor bank_loss(const Tensor& v) {
  return nonparametric_softmax(v, keys_for(v, kBank, 0.9),
                               indices_for(v.shape[0], kBank, v.device()), kTemperature, false);
}
static std::vector<double> bank_definition(const Inputs& v, const std::vector<Shape>& shapes) {
  const int rows = shapes[0][0], dim = shapes[0][1];
  const Tensor bank = keys_for(empty({1, dim}, Dtype::f64), kBank, 0.9);
  const Tensor own = indices_for(rows, kBank);
  double total = 0;
  for (int i = 0; i < rows; ++i) {
    auto logit = [&](int64_t j) {
      return dot(&v[0][size_t(i * dim)], ptr<double>(bank) + j * dim, dim) / double(kTemperature);
    };
    double sum = 0;
    for (int j = 0; j < kBank; ++j) sum += std::exp(logit(j));
    total += std::log(sum) - logit(ptr<int64_t>(own)[i]);
  }
  return {total / rows};
}

static Tensor noise_for(int batch, Device device = Device::cpu) {
  Tensor noise = empty({batch, 9}, Dtype::i64);
  for (int64_t i = 0; i < noise.size(); ++i) ptr<int64_t>(noise)[i] = (i * 17 + 3) % kBank;
  return to_device(noise, device);
}
constexpr float kShift = 0.7f;
static Tensor noise_loss(const Tensor& v) {
  return noise_contrast(v, keys_for(v, kBank, 0.9), indices_for(v.shape[0], kBank, v.device()),
                        noise_for(v.shape[0], v.device()), kTemperature, kShift);
}
static std::vector<double> noise_definition(const Inputs& v, const std::vector<Shape>& shapes) {
  const int rows = shapes[0][0], dim = shapes[0][1];
  const Tensor bank = keys_for(empty({1, dim}, Dtype::f64), kBank, 0.9);
  const Tensor own = indices_for(rows, kBank), noise = noise_for(rows);
  double total = 0;
  for (int i = 0; i < rows; ++i) {
    auto h = [&](int64_t j) {  // P / (P + m / N), with Z m / N = e^shift
      const double p = std::exp(dot(&v[0][size_t(i * dim)], ptr<double>(bank) + j * dim, dim) /
                                double(kTemperature));
      return p / (p + std::exp(double(kShift)));
    };
    total -= std::log(h(ptr<int64_t>(own)[i]));
    for (int m = 0; m < 9; ++m) total -= std::log(1 - h(ptr<int64_t>(noise)[i * 9 + m]));
  }
  return {total / rows};
}

static std::vector<double> l2_definition(const Inputs& v, const std::vector<Shape>& shapes) {
  std::vector<double> y = v[0];
  const int cols = shapes[0].back();
  for (size_t at = 0; at < y.size(); at += size_t(cols)) {
    const double length = std::sqrt(dot(&v[0][at], &v[0][at], cols));
    for (int c = 0; c < cols; ++c) y[at + size_t(c)] /= length;
  }
  return y;
}

static std::vector<double> gather_definition(const Inputs& v, const std::vector<Shape>& shapes) {
  std::vector<double> y;
  for (int i = 0; i < 7; ++i)
    for (int d = 0; d < shapes[0][1]; ++d)
      y.push_back(v[0][size_t((i * 5 + 2) % shapes[0][0] * shapes[0][1] + d)]);
  return y;
}

// Beside the plain body's sums: the loss is a difference of numbers as large as the logits, here up
// to its double, which are to base 2 and back (kernels/infonce_block-inl.h): a rounding each.
constexpr double kBaseTwo = 4;

OpFamily contrastive_cases() {
  return {
      {
          {.op = "nt_xent",
           .sizes = {{{4, 1}}, {{6, 7}}, {{34, 20}}, {{130, 33}}},
           .call = [](auto& v) { return nt_xent(v[0], kTemperature); },
           .low = -0.8,
           .high = 0.8,
           .definition = nt_xent_definition},
          {.op = "nonparametric_softmax",
           .sizes = {{{1, 3}}, {{5, 8}}, {{33, 20}}},
           .call = [](auto& v) { return bank_loss(v[0]); },
           .definition = bank_definition},
          {.op = "noise_contrast",
           .sizes = {{{1, 3}}, {{5, 8}}, {{33, 20}}},
           .call = [](auto& v) { return noise_loss(v[0]); },
           .definition = noise_definition},
          {.op = "l2_normalize",
           .sizes = {{{1, 2}}, {{7, 3}}, {{2, 3, 17}}, {{40, 130}}},
           .call = [](auto& v) { return l2_normalize(v[0]); },
           .definition = l2_definition},
          {.op = "gather_rows",
           .sizes = {{{1, 1}}, {{5, 3}}, {{300, 17}}},
           .call =
               [](auto& v) {
                 return gather_rows(detach(v[0]), indices_for(7, v[0].shape[0], v[0].device()));
               },
           .differentiable = false,
           .definition = gather_definition},
          {.op = "infonce",
           .sizes = {{{1, 1}}, {{5, 7}}, {{33, 20}}, {{2, 300}}},
           .call = [](auto& v) { return loss_of(v[0], 131, 0.2f, false); },
           .roundings = kBaseTwo},
          {.op = "infonce",
           .sizes = {{{1, 3}}, {{7, 10}}, {{65, 24}}},
           .call = [](auto& v) { return loss_of(v[0], 1, 0.5f, false); },
           .roundings = kBaseTwo},
          {.op = "infonce",
           .sizes = {{{3, 8}}, {{40, 17}}},
           .call = [](auto& v) { return loss_of(v[0], 700, 0.07f, true); },
           .low = -0.2,
           .high = 0.2,
           .roundings = kBaseTwo},
      },
      {
          {"infonce",
           {{3}, {3}, {5, 3}},
           [](auto& v) { return infonce(v[0], detach(v[1]), detach(v[2]), 0.1f); },
           "infonce: q must be [B, D], got [3]"},
          {"infonce",
           {{3, 4}, {2, 4}, {5, 4}},
           [](auto& v) { return infonce(v[0], detach(v[1]), detach(v[2]), 0.1f); },
           "infonce: k must be [3, 4], got [2, 4]"},
          {"infonce",
           {{3, 4}, {3, 4}, {5, 6}},
           [](auto& v) { return infonce(v[0], detach(v[1]), detach(v[2]), 0.1f); },
           "infonce: queue must be [K, 4], got [5, 6]"},
          {"infonce",
           {{3, 4}, {3, 4}, {5, 4}},
           [](auto& v) { return infonce(v[0], detach(v[1]), detach(v[2]), 0.0f); },
           "infonce: temperature must be above 0, got 0"},
          {"infonce",
           {{3, 4}, {3, 4}, {5, 4}},
           [](auto& v) { return infonce(v[0], v[1], detach(v[2]), 0.1f); },
           "infonce: k and queue get no gradient: detach them"},
          {"infonce",
           {{3, 4}, {3, 4}, {5, 4}},
           [](auto& v) {
             return infonce(v[0], detach(v[1]), cast(detach(v[2]), Dtype::bf16), 0.1f);
           },
           "infonce: queue must be f32, got bf16"},
          {"nt_xent",
           {{3, 4}},
           [](auto& v) { return nt_xent(v[0], 0.1f); },
           "nt_xent: z must be [2 B, D], B above 1, got [3, 4]"},
          {"nt_xent",
           {{4, 4}},
           [](auto& v) { return nt_xent(v[0], -1.0f); },
           "nt_xent: temperature must be above 0, got -1"},
          {"nonparametric_softmax",
           {{2, 4}, {9, 3}},
           [](auto& v) {
             return nonparametric_softmax(v[0], detach(v[1]), indices_for(2, 9), 0.1f);
           },
           "nonparametric_softmax: bank must be [N, 4], got [9, 3]"},
          {"nonparametric_softmax",
           {{3, 4}, {9, 4}},
           [](auto& v) {
             return nonparametric_softmax(v[0], detach(v[1]), indices_for(3, 90), 0.1f);
           },
           "gather_rows: indices must be below 9, got 12"},
          {"nonparametric_softmax",
           {{4, 4}, {9, 4}},
           [](auto& v) {
             return nonparametric_softmax(v[0], detach(v[1]), indices_for(2, 9), 0.1f);
           },
           "nonparametric_softmax: indices must be [4], got [2]"},
          {"noise_contrast",
           {{2, 4}, {9, 4}},
           [](auto& v) {
             return noise_contrast(v[0], detach(v[1]), indices_for(2, 9), noise_for(2), 0.1f, 0);
           },
           "noise_contrast: rows must be below 9, got 20"},
          {"noise_contrast",
           {{2, 4}, {9, 4}},
           [](auto& v) {
             return noise_contrast(v[0], detach(v[1]), indices_for(2, 9), noise_for(3), 0.1f, 0);
           },
           "noise_contrast: noise must be [2, M], got [3, 9]"},
          {"l2_normalize",
           {{2, 0}},
           [](auto& v) { return l2_normalize(v[0]); },
           "l2_normalize: x must be [.., C], got [2, 0]"},
          {"gather_rows",
           {{4, 3}},
           [](auto& v) { return gather_rows(v[0], indices_for(2, 4)); },
           "gather_rows: x gets no gradient: detach it"},
          {"gather_rows",
           {{4, 3}},
           [](auto& v) { return gather_rows(detach(v[0]), zeros({2})); },
           "gather_rows: indices must be i64 [B], got f32 [2]"},
      }};
}

}  // namespace autodidact
