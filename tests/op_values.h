// What test programs share that run the rows of op_cases.h: inputs, a call with its gradients, and
// how far two results are apart.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>
#include <doctest/doctest.h>
#include "engine/random.h"
#include "tests/op_cases.h"

namespace autodidact {

// The output and the inputs' gradients of one call, in double.
using Values = std::vector<std::vector<double>>;

inline std::vector<double> to_double(const Tensor& t) {
  Tensor d = cast(to_device(detach(t), Device::cpu), Dtype::f64);
  const double* p = ptr<const double>(d);
  return {p, p + d.size()};
}

inline Tensor from_double(const std::vector<double>& x, const Shape& shape, Dtype dtype,
                          Device device = Device::cpu) {
  Tensor t = empty(shape, Dtype::f64);
  std::copy(x.begin(), x.end(), ptr<double>(t));
  return to_device(cast(t, dtype), device);
}

// Inputs that bf16 represents exactly, so that all dtypes compute with the same numbers.
inline Values make_inputs(const OpCase& row, const std::vector<Shape>& shapes) {
  Rng rng(7);
  Values inputs;
  for (const Shape& s : shapes) {
    std::vector<double> x(size_t(s.size()));
    for (double& v : x) v = float(bf16(float(row.low + (row.high - row.low) * rng.uniform())));
    inputs.push_back(std::move(x));
  }
  return inputs;
}

inline std::vector<Tensor> leaves(const OpCase& row, const Values& inputs,
                                  const std::vector<Shape>& shapes, Dtype dtype,
                                  Device device = Device::cpu) {
  std::vector<Tensor> v;
  for (size_t i = 0; i < shapes.size(); ++i) {
    bool parameter = std::count(row.parameters.begin(), row.parameters.end(), int(i)) > 0;
    v.push_back(leaf(from_double(inputs[i], shapes[i], parameter ? acc(dtype) : dtype, device)));
  }
  return v;
}

// The head sum(w * sin(y)) is not linear, so that an op whose outputs have a constant sum cannot
// hide an error.
inline double head_weight(size_t i) { return 0.5 + 0.37 * double(i % 7) - 0.21 * double(i % 5); }

// In extended precision: a difference quotient divides the rounding of 10^5 terms by 10^-5.
inline long double head(const std::vector<double>& y) {
  long double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += head_weight(i) * std::sin(y[i]);
  return sum;
}

inline std::vector<double> head_gradient(const std::vector<double>& y) {
  std::vector<double> d(y.size());
  for (size_t i = 0; i < y.size(); ++i) d[i] = head_weight(i) * std::cos(y[i]);
  return d;
}

inline Values run_case(const OpCase& row, const Values& inputs, const std::vector<Shape>& shapes,
                       Dtype dtype, const std::vector<double>& dy, Device device = Device::cpu) {
  std::vector<Tensor> v = leaves(row, inputs, shapes, dtype, device);
  Tensor y = row.call(v);
  Values values{to_double(y)};
  if (row.differentiable) {
    backward(y, from_double(dy, y.shape, y.dtype, device));
    for (Tensor& x : v)
      values.push_back(x.node->grad_written ? to_double(x.node->grad) : std::vector<double>());
  }
  return values;
}

// dy that bf16 represents exactly, from the output in f64: every dtype gets the same.
inline std::vector<double> common_dy(const OpCase& row, const Values& inputs,
                                     const std::vector<Shape>& shapes) {
  std::vector<double> dy =
      head_gradient(to_double(row.call(leaves(row, inputs, shapes, Dtype::f64))));
  for (double& v : dy) v = float(bf16(float(v)));
  return dy;
}

inline double max_abs(const std::vector<double>& x) {
  double m = 0;
  for (double v : x) m = std::max(m, std::abs(v));
  return m;
}

// The largest difference; infinite where anything is not finite.
inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double m = 0;
  for (size_t i = 0; i < a.size(); ++i)
    m = std::isfinite(a[i]) ? std::max(m, std::abs(a[i] - b[i]))
                            : std::numeric_limits<double>::infinity();
  return m;
}

template <class F>
void for_each_case(F f) {
  for (const OpFamily& family : all_families())
    for (const OpCase& row : family.cases)
      for (auto& shapes : row.sizes) {
        std::ostringstream label;
        label << row.op;
        for (const Shape& s : shapes) label << ' ' << s;
        std::string text = label.str();
        INFO(text);
        f(row, shapes);
      }
}

}  // namespace autodidact
