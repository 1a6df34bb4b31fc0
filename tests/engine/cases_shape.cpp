// Rows and refusals of the ops that move numbers; the definitions name each one's place.
#include "tests/op_cases.h"

namespace autodidact {

using Inputs = std::vector<std::vector<double>>;

static std::vector<double> transpose_definition(const Inputs& v, const std::vector<Shape>& shapes) {
  const Shape& s = shapes[0];
  int rows = s[s.rank() - 2], cols = s[s.rank() - 1], batch = s.rank() == 3 ? s[0] : 1;
  std::vector<double> y;
  for (int b = 0; b < batch; ++b)
    for (int c = 0; c < cols; ++c)
      for (int r = 0; r < rows; ++r) y.push_back(v[0][size_t((b * rows + r) * cols + c)]);
  return y;
}
static std::vector<double> pad_definition(const Inputs& v, const std::vector<Shape>& shapes) {
  size_t cols = size_t(shapes[0].back());
  std::vector<double> y;
  for (size_t at = 0; at < v[0].size(); at += cols) {
    y.insert(y.end(), 2, 0.0);
    for (size_t c = 0; c < cols; ++c) y.push_back(v[0][at + c]);
    y.insert(y.end(), 3, 0.0);
  }
  return y;
}
static std::vector<double> concat_definition(const Inputs& v, const std::vector<Shape>& shapes) {
  size_t a = size_t(shapes[0].back()), b = size_t(shapes[1].back());
  std::vector<double> y;
  for (size_t r = 0; r < v[0].size() / a; ++r) {
    for (size_t c = 0; c < a; ++c) y.push_back(v[0][r * a + c]);
    for (size_t c = 0; c < b; ++c) y.push_back(v[1][r * b + c]);
  }
  return y;
}

static std::vector<double> slice_columns_definition(const std::vector<std::vector<double>>& v,
                                                    const std::vector<Shape>& shapes) {
  std::vector<double> y;
  for (size_t i = 0, cols = size_t(shapes[0].back()); i < v[0].size(); ++i)
    if (i % cols == 1 || i % cols == 2) y.push_back(v[0][i]);
  return y;
}

OpFamily shape_cases() {
  return {{
              {"reshape",
               {{{1}}, {{3, 4}}, {{5, 7, 2}}, {{0, 4}}},
               [](auto& v) {
                 return reshape(v[0], {int(v[0].size()), 1});
               }},
              {"slice", {{{3}}, {{3, 4}}, {{5, 7, 2}}}, [](auto& v) { return slice(v[0], 1, 3); }},
              {.op = "transpose",
               .sizes = {{{1, 1}}, {{5, 7}}, {{3, 33, 65}}, {{0, 7}}},
               .call = [](auto& v) { return transpose(v[0]); },
               .definition = transpose_definition},
              {.op = "pad_columns",
               .sizes = {{{1}}, {{5, 7}}, {{3, 2, 17}}, {{0, 7}}},
               .call = [](auto& v) { return pad_columns(v[0], 2, 3); },
               .definition = pad_definition},
              {.op = "slice_columns",
               .sizes = {{{3}}, {{5, 7}}, {{3, 2, 17}}, {{0, 7}}},
               .call = [](auto& v) { return slice_columns(v[0], 1, 3); },
               .definition = slice_columns_definition},
              {.op = "concat_columns",
               .sizes = {{{1}, {2}}, {{5, 7}, {5, 3}}, {{3, 2, 17}, {3, 2, 8}}, {{0, 7}, {0, 3}}},
               .call = [](auto& v) { return concat_columns(v[0], v[1]); },
               .definition = concat_definition},
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
              {"slice_columns",
               {{3, 4}},
               [](auto& v) { return slice_columns(v[0], 2, 5); },
               "slice_columns: columns 2 to 5 of [3, 4]"},
              {"concat_columns",
               {{3, 4}, {2, 4}},
               [](auto& v) { return concat_columns(v[0], v[1]); },
               "concat_columns: all dimensions but the last must agree, got [3, 4] and [2, 4]"},
              {"concat_columns",
               {{3, 4}, {3, 4}},
               [](auto& v) { return concat_columns(v[0], cast(v[1], Dtype::bf16)); },
               "concat_columns: b must be f32, got bf16"},
          }};
}

}  // namespace autodidact
