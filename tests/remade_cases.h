// Every output that its op can make again, made again: the same bytes. A product saves it, and its
// gradient for the other factor is those bytes times one.
#pragma once
#include <cstring>
#include <set>
#include "tests/op_values.h"

namespace autodidact {

// The ops of the rows whose output can be made again.
inline std::set<std::string> check_remade(Dtype dtype, Device device = Device::cpu) {
  std::set<std::string> ops;
  for_each_case([&](const OpCase& row, const std::vector<Shape>& shapes) {
    if (!row.differentiable) return;
    std::vector<Tensor> v = leaves(row, make_inputs(row, shapes), shapes, dtype, device);
    Tensor y = row.call(v);
    if (!remakable(y) || y.dtype != dtype) return;
    ops.insert(row.op);
    const std::vector<double> forward = to_double(y);
    const Tensor ones = full(y.shape, 1, dtype, device);
    Tensor factor = leaf(ones);
    Tensor z = mul(factor, y);
    const std::weak_ptr<Buffer> memory = y.buffer;
    y = {};
    CHECK(memory.expired());
    backward(z, ones);
    const std::vector<double> again = to_double(factor.node->grad);
    REQUIRE(again.size() == forward.size());
    CHECK((forward.empty() ||
           std::memcmp(again.data(), forward.data(), forward.size() * sizeof(double)) == 0));
  });
  return ops;
}

inline const std::set<std::string> kRemadeOps = {
    "abs",  "attention", "batchnorm", "batchnorm_inference",
    "gelu", "groupnorm", "layernorm", "log",
    "silu", "softplus",  "square"};

}  // namespace autodidact
