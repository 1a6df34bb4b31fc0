#include "tests/op_cases.h"

namespace autodidact {

OpFamily linear_cases() {
  return {{
              {.op = "linear",
               .sizes = {{{1}, {1, 1}, {1}}, {{3, 5}, {7, 5}, {7}}, {{4, 9, 33}, {17, 33}, {17}}},
               .call = [](auto& v) { return linear(v[0], v[1], v[2]); },
               .parameters = {2}},
              {.op = "linear",
               .sizes = {{{20, 40}, {10, 40}}},
               .call = [](auto& v) { return linear(v[0], v[1]); }},
              {.op = "matmul",
               .sizes = {{{1, 1}, {1, 1}}, {{5, 7}, {7, 3}}, {{3, 19, 33}, {3, 33, 18}}},
               .call = [](auto& v) { return matmul(v[0], v[1]); }},
              {.op = "matmul",
               .sizes = {{{5, 7}, {3, 7}}, {{2, 9, 16}, {2, 9, 16}}},
               .call = [](auto& v) { return matmul(v[0], v[1], false, true); }},
              {.op = "matmul",
               .sizes = {{{7, 5}, {7, 3}}, {{2, 9, 16}, {2, 9, 7}}},
               .call = [](auto& v) { return matmul(v[0], v[1], true, false); }},
              {.op = "matmul",
               .sizes = {{{7, 5}, {3, 7}}, {{2, 9, 16}, {2, 7, 9}}},
               .call = [](auto& v) { return matmul(v[0], v[1], true, true); }},
          },
          {
              {"linear",
               {{3, 4}, {5, 6}},
               [](auto& v) { return linear(v[0], v[1]); },
               "linear: x must be [.., 6], got [3, 4]"},
              {"linear",
               {{3, 4}, {5, 4}, {4}},
               [](auto& v) { return linear(v[0], v[1], v[2]); },
               "linear: b must be [5], got [4]"},
              {"linear",
               {{3, 4}, {4}},
               [](auto& v) { return linear(v[0], v[1]); },
               "linear: w must be [out, in], got [4]"},
              {"matmul",
               {{3, 4}, {3, 4}},
               [](auto& v) { return matmul(v[0], v[1]); },
               "matmul: [3, 4] does not fit [3, 4]"},
              {"matmul",
               {{2, 3, 4}, {3, 3, 4}},
               [](auto& v) { return matmul(v[0], v[1], true, false); },
               "matmul: [2, 3, 4] transposed does not fit [3, 3, 4]"},
              {"matmul",
               {{3, 4}, {4}},
               [](auto& v) { return matmul(v[0], v[1]); },
               "matmul: needs two matrices or two batches of them, got [3, 4] and [4]"},
          }};
}

}  // namespace autodidact
