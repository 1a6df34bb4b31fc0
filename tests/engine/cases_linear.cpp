// Rows and refusals of the matrix products; the definition is the textbook's triple loop.
#include "tests/op_cases.h"

namespace autodidact {

// op(a) op(b) of [m, k] and [k, n] or batches of them.
static auto product_definition(bool transpose_a, bool transpose_b) {
  return [=](const std::vector<std::vector<double>>& v, const std::vector<Shape>& shapes) {
    const Shape &a = shapes[0], &b = shapes[1];
    int rank = a.rank(), batch = rank == 3 ? a[0] : 1;
    int m = a[rank - (transpose_a ? 1 : 2)], k = a[rank - (transpose_a ? 2 : 1)];
    int n = b[rank - (transpose_b ? 2 : 1)];
    std::vector<double> c;
    for (int e = 0; e < batch; ++e)
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) {
          double sum = 0;
          for (int l = 0; l < k; ++l)
            sum += v[0][size_t(e * m * k + (transpose_a ? l * m + i : i * k + l))] *
                   v[1][size_t(e * k * n + (transpose_b ? j * k + l : l * n + j))];
          c.push_back(sum);
        }
    return c;
  };
}

static std::vector<double> linear_definition(const std::vector<std::vector<double>>& v,
                                             const std::vector<Shape>& shapes) {
  int out = shapes[1][0], in = shapes[1][1], rows = 1;
  for (int i = 0; i + 1 < shapes[0].rank(); ++i) rows *= shapes[0][i];
  std::vector<double> y = product_definition(false, true)(v, {{rows, in}, {out, in}});
  for (size_t i = 0; v.size() > 2 && i < y.size(); ++i) y[i] += v[2][i % size_t(out)];
  return y;
}

OpFamily linear_cases() {
  return {{
              {.op = "linear",
               .sizes = {{{1}, {1, 1}, {1}},
                         {{3, 5}, {7, 5}, {7}},
                         {{4, 9, 33}, {17, 33}, {17}},
                         {{0, 5}, {7, 5}, {7}},
                         {{3, 0}, {7, 0}, {7}}},
               .call = [](auto& v) { return linear(v[0], v[1], v[2]); },
               .parameters = {2},
               .definition = linear_definition},
              {.op = "linear",
               .sizes = {{{20, 40}, {10, 40}}},
               .call = [](auto& v) { return linear(v[0], v[1]); },
               .definition = linear_definition},
              {.op = "matmul",
               .sizes = {{{1, 1}, {1, 1}},
                         {{5, 7}, {7, 3}},
                         {{3, 19, 33}, {3, 33, 18}},
                         {{0, 7}, {7, 3}},
                         {{5, 0}, {0, 3}},
                         {{0, 5, 7}, {0, 7, 3}}},
               .call = [](auto& v) { return matmul(v[0], v[1]); },
               .definition = product_definition(false, false)},
              {.op = "matmul",
               .sizes = {{{5, 7}, {3, 7}}, {{2, 9, 16}, {2, 9, 16}}},
               .call = [](auto& v) { return matmul(v[0], v[1], false, true); },
               .definition = product_definition(false, true)},
              {.op = "matmul",
               .sizes = {{{7, 5}, {7, 3}}, {{2, 9, 16}, {2, 9, 7}}},
               .call = [](auto& v) { return matmul(v[0], v[1], true, false); },
               .definition = product_definition(true, false)},
              {.op = "matmul",
               .sizes = {{{7, 5}, {3, 7}}, {{2, 9, 16}, {2, 7, 9}}},
               .call = [](auto& v) { return matmul(v[0], v[1], true, true); },
               .definition = product_definition(true, true)},
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
              {"linear",
               {{3, 4}, {5, 4}},
               [](auto& v) { return linear(v[0], cast(v[1], Dtype::bf16)); },
               "linear: w must be f32, got bf16"},
              {"matmul",
               {{3, 4}, {4, 5}},
               [](auto& v) { return matmul(v[0], cast(v[1], Dtype::bf16)); },
               "matmul: b must be f32, got bf16"},
          }};
}

}  // namespace autodidact
