// What tests/parity/vectors.py and the tests that read its files agree on: numbers that both sides
// compute, and how a stored sample of a tensor is compared.
#pragma once
#include <doctest/doctest.h>
#include <cmath>
#include "engine/module.h"
#include "engine/safetensors.h"

namespace autodidact {

// numbers() of vectors.py, bit for bit.
inline void fill_numbers(Tensor& t, uint32_t tensor, double scale, double offset) {
  float* p = ptr<float>(t);
  for (int64_t i = 0; i < t.size(); ++i) {
    uint32_t h = uint32_t(i) * 0x9E3779B1u + tensor * 0x85EBCA77u;
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    h = (h ^ (h >> 12)) * 0x297A2D39u;
    h ^= h >> 15;
    float unit = float(h >> 8) * 0x1p-24f - 0.5f;
    p[i] = float(offset) + float(scale) * unit;
  }
}

inline bool ends_with(const std::string& s, const std::string& end) {
  return s.size() >= end.size() && s.compare(s.size() - end.size(), end.size(), end) == 0;
}

// The weights that fill() of vectors.py gives a network, as a file in PyTorch's layout.
template <class Model>
TensorFile weights_for(Model& model) {
  TensorFile file;
  store(file, stored_tensors(named_tensors(model)));
  uint32_t place = 0;
  for (auto& [name, live, role] : named_tensors(model)) {
    Tensor& t = file.tensors.at(name);
    t = clone(t);  // a file may share the model's memory
    const Shape& s = t.shape;
    if (s.rank() == 4) fill_numbers(t, place, std::sqrt(24.0 / (s[0] * s[2] * s[3])), 0);
    else if (s.rank() == 2) fill_numbers(t, place, 2 / std::sqrt(double(s[1])), 0);
    else if (ends_with(name, "running_var")) fill_numbers(t, place, 0.5, 1);
    else if (s.rank() == 1)
      ends_with(name, "weight") ? fill_numbers(t, place, 0.4, 1) : fill_numbers(t, place, 0.2, 0);
    ++place;
  }
  return file;
}

// The largest |ours - theirs| over the stored numbers of a tensor, and the largest |theirs|.
inline std::pair<double, double> parity_difference(const TensorFile& expected,
                                                   const std::string& name, const Tensor& ours) {
  REQUIRE_MESSAGE(expected.tensors.count(name) == 1, name);
  const Tensor& theirs = expected.tensors.at(name);
  const int64_t limit = std::stoll(expected.metadata.at("limit"));
  int64_t stride = 1;
  if (limit && theirs.size() < ours.size()) stride = (ours.size() + limit - 1) / limit;
  REQUIRE_MESSAGE((ours.size() + stride - 1) / stride == theirs.size(), name);
  Tensor values = cast(ours, Dtype::f32);
  double worst = 0, largest = 0;
  for (int64_t i = 0; i < theirs.size(); ++i) {
    double a = ptr<float>(values)[i * stride], b = ptr<float>(theirs)[i];
    worst = std::isnan(a) ? INFINITY : std::max(worst, std::abs(a - b));
    largest = std::max(largest, std::abs(b));
  }
  return {worst, largest};
}

}  // namespace autodidact
