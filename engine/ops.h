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

}  // namespace autodidact
