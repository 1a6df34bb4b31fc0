#include "tests/op_cases.h"

namespace autodidact {

OpFamily shape_cases() {
  return {{
              {"reshape",
               {{{1}}, {{3, 4}}, {{5, 7, 2}}},
               [](auto& v) {
                 return reshape(v[0], {int(v[0].size()), 1});
               }},
              {"slice", {{{3}}, {{3, 4}}, {{5, 7, 2}}}, [](auto& v) { return slice(v[0], 1, 3); }},
          },
          {
              {"reshape",
               {{3, 4}},
               [](auto& v) {
                 return reshape(v[0], {5, 2});
               },
               "reshape: [3, 4] has 12 elements, [5, 2] has 10"},
              {"slice",
               {{3, 4}},
               [](auto& v) { return slice(v[0], 1, 4); },
               "slice: rows 1 to 4 of [3, 4]"},
          }};
}

}  // namespace autodidact
