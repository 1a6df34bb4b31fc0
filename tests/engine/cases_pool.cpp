#include "tests/op_cases.h"

namespace autodidact {

OpFamily pool_cases() {
  return {{
              {"max_pool2d",
               {{{1, 3, 3, 1}}, {{2, 7, 5, 3}}, {{1, 9, 8, 17}}},
               [](auto& v) { return max_pool2d(v[0], 3, 2, 1); }},
              {"max_pool2d", {{{2, 4, 6, 8}}}, [](auto& v) { return max_pool2d(v[0], 2, 2, 0); }},
              {"avg_pool2d",
               {{{1, 3, 3, 1}}, {{2, 7, 5, 3}}, {{1, 9, 8, 17}}},
               [](auto& v) { return avg_pool2d(v[0], 3, 2, 1); }},
              {"avg_pool2d", {{{2, 4, 6, 8}}}, [](auto& v) { return avg_pool2d(v[0], 2, 2, 0); }},
              {"global_avg_pool",
               {{{1, 1, 1, 1}}, {{2, 7, 5, 3}}, {{3, 4, 4, 40}}},
               [](auto& v) { return global_avg_pool(v[0]); }},
          },
          {
              {"max_pool2d",
               {{2, 3, 3}},
               [](auto& v) { return max_pool2d(v[0], 2, 2, 0); },
               "max_pool2d: x must be [N, H, W, C], got [2, 3, 3]"},
              {"avg_pool2d",
               {{2, 3, 3, 1}},
               [](auto& v) { return avg_pool2d(v[0], 5, 1, 0); },
               "avg_pool2d: a window of 5 does not fit [2, 3, 3, 1]"},
              {"global_avg_pool",
               {{2, 3}},
               [](auto& v) { return global_avg_pool(v[0]); },
               "global_avg_pool: x must be [N, H, W, C] with pixels, got [2, 3]"},
          }};
}

}  // namespace autodidact
