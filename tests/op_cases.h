// One row an op (and one a way of using it): name, input shapes, call. test_ops.cpp runs every row
// through the seven checks written there. To test a new op, add a row to the family's list in
// tests/engine/cases_<family>.cpp.
#pragma once
#include <functional>
#include <string>
#include <vector>
#include "engine/ops.h"

namespace autodidact {

struct OpCase {
  std::string op;                         // as declared in engine/ops.h
  std::vector<std::vector<Shape>> sizes;  // shapes of the inputs, one list a size: 1, odd, large
  std::function<Tensor(const std::vector<Tensor>& v)>
      call;                       // v: inputs of the dtype under test, all asking for gradients
  double low = -1.5, high = 1.5;  // the inputs' range (log, sqrt and division need care)
  bool differentiable = true;     // a row without a gradient says so
  // Roundings of the largest result by which a SIMD body in f32 may be off beyond twice the plain
  // body's error. Above 1 only for other mathematics than the plain sum's, with its derivation.
  double roundings = 1;
  std::vector<int>
      parameters{};  // inputs held in the accumulator's dtype (biases, norm parameters)
  // The output by the textbook, from the inputs in double: where a value is more than a formula of
  // functors.h, something must say what it is independently of the kernels.
  std::function<std::vector<double>(const std::vector<std::vector<double>>& inputs,
                                    const std::vector<Shape>& shapes)>
      definition{};
};

// A call that must be refused, and the text it must say.
struct WrongCase {
  std::string op;
  std::vector<Shape> shapes;
  std::function<Tensor(const std::vector<Tensor>& v)> call;
  std::string says;
};

struct OpFamily {
  std::vector<OpCase> cases;
  std::vector<WrongCase> wrong;
};

// The families: each is a function in tests/engine/cases_<family>.cpp.
OpFamily attention_cases();
OpFamily contrastive_cases();
OpFamily conv_cases();
OpFamily linear_cases();
OpFamily elementwise_cases();
OpFamily loss_cases();
OpFamily norm_cases();
OpFamily patches_cases();
OpFamily pool_cases();
OpFamily reduce_cases();
OpFamily shape_cases();

inline std::vector<OpFamily> all_families() {
  return {attention_cases(), contrastive_cases(), conv_cases(), elementwise_cases(),
          linear_cases(),    loss_cases(),        norm_cases(), patches_cases(),
          pool_cases(),      reduce_cases(),      shape_cases()};
}

}  // namespace autodidact
