// Rows and refusals of the sums. Over nothing both are refused: a mean of nothing is NaN, and a sum
// of nothing is more likely an error than wanted.
#include "tests/op_cases.h"

namespace autodidact {

OpFamily reduce_cases() {
  return {{
              {"sum", {{{1}}, {{3, 5}}, {{129}}}, [](auto& v) { return sum(v[0]); }, -0.05, 0.05},
              {"mean", {{{1}}, {{3, 5}}, {{40000}}}, [](auto& v) { return mean(v[0]); }},
          },
          {
              {"sum",
               {{3, 0}},
               [](auto& v) { return sum(v[0]); },
               "sum: x must have elements, got [3, 0]"},
              {"mean",
               {{0}},
               [](auto& v) { return mean(v[0]); },
               "mean: x must have elements, got [0]"},
              {"sum",
               {{3}},
               [](auto& v) { return sum(empty(v[0].shape, Dtype::i32)); },
               "sum: x must be f32, bf16 or f64, got i32"},
          }};
}

}  // namespace autodidact
