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
              {"transpose",
               {{{1, 1}}, {{5, 7}}, {{3, 33, 65}}},
               [](auto& v) { return transpose(v[0]); }},
              {"pad_columns",
               {{{1}}, {{5, 7}}, {{3, 2, 17}}},
               [](auto& v) { return pad_columns(v[0], 2, 3); }},
              {"concat_columns",
               {{{1}, {2}}, {{5, 7}, {5, 3}}, {{3, 2, 17}, {3, 2, 8}}},
               [](auto& v) { return concat_columns(v[0], v[1]); }},
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
              {"transpose",
               {{3}},
               [](auto& v) { return transpose(v[0]); },
               "transpose: x must have two or three dimensions, got [3]"},
              {"pad_columns",
               {{3}},
               [](auto& v) { return pad_columns(v[0], -1, 2); },
               "pad_columns: needs columns and padding >= 0, got [3], -1 before, 2 after"},
              {"concat_columns",
               {{3, 4}, {2, 4}},
               [](auto& v) { return concat_columns(v[0], v[1]); },
               "concat_columns: all dimensions but the last must agree, got [3, 4] and [2, 4]"},
          }};
}

}  // namespace autodidact
