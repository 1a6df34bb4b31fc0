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
          }};
}

}  // namespace autodidact
