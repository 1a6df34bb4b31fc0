#include "tests/op_cases.h"

namespace autodidact {

// Labels 0, 1, .. in turn; every fifth row does not count.
static Tensor labels_for(const Tensor& logits) {
  Tensor labels = empty({logits.shape[0]}, Dtype::i32);
  for (int r = 0; r < logits.shape[0]; ++r)
    ptr<int32_t>(labels)[r] = r % 5 == 4 ? -1 : r * 3 % logits.shape[1];
  return labels;
}

OpFamily loss_cases() {
  std::vector<std::vector<Shape>> sizes = {{{1, 1}}, {{7, 10}}, {{33, 17}}, {{3, 1000}}};
  return {
      {
          {"softmax", sizes, [](auto& v) { return softmax(v[0]); }},
          {"log_softmax", sizes, [](auto& v) { return log_softmax(v[0]); }},
          {"cross_entropy", sizes, [](auto& v) { return cross_entropy(v[0], labels_for(v[0])); }},
          {"cross_entropy", sizes,
           [](auto& v) { return cross_entropy(v[0], labels_for(v[0]), 0.1f); }},
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
      }};
}

}  // namespace autodidact
