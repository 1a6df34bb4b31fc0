// Rows and refusals of attention; the definition writes out the T x T matrix.
#include <cmath>
#include "tests/op_cases.h"

namespace autodidact {

static auto attention_definition(int heads) {
  return [=](const std::vector<std::vector<double>>& v, const std::vector<Shape>& shapes) {
    const int batch = shapes[0][0], tokens = shapes[0][1], C = shapes[0][2] / 3, dim = C / heads;
    auto at = [&](int n, int t, int part, int h, int d) {
      return v[0][size_t(((n * tokens + t) * 3 + part) * C + h * dim + d)];
    };
    std::vector<double> y(size_t(batch * tokens * C));
    for (int n = 0; n < batch; ++n)
      for (int h = 0; h < heads; ++h)
        for (int i = 0; i < tokens; ++i) {
          std::vector<double> share(static_cast<size_t>(tokens));
          double total = 0;
          for (int j = 0; j < tokens; ++j) {
            double logit = 0;
            for (int d = 0; d < dim; ++d) logit += at(n, i, 0, h, d) * at(n, j, 1, h, d);
            total += share[size_t(j)] = std::exp(logit / std::sqrt(double(dim)));
          }
          for (int j = 0; j < tokens; ++j)
            for (int d = 0; d < dim; ++d)
              y[size_t((n * tokens + i) * C + h * dim + d)] +=
                  share[size_t(j)] / total * at(n, j, 2, h, d);
        }
    return y;
  };
}

OpFamily attention_cases() {
  return {{
              {.op = "attention",
               .sizes = {{{1, 1, 3}}, {{2, 5, 9}}, {{3, 17, 48}}, {{1, 65, 96}}, {{0, 5, 9}}},
               .call = [](auto& v) { return attention(v[0], 1); },
               .definition = attention_definition(1)},
              {.op = "attention",
               .sizes = {{{2, 7, 18}}, {{2, 17, 96}}, {{1, 50, 192}}, {{1, 197, 24}}},
               .call = [](auto& v) { return attention(v[0], 2); },
               .definition = attention_definition(2)},
              // Large logits: the maximum has to be taken off.
              {.op = "attention",
               .sizes = {{{1, 33, 144}}},
               .call = [](auto& v) { return attention(v[0], 3); },
               .low = -12,
               .high = 12,
               .definition = attention_definition(3)},
          },
          {
              {"attention",
               {{4, 12}},
               [](auto& v) { return attention(v[0], 1); },
               "attention: qkv must be [N, T, 3 C], got [4, 12]"},
              {"attention",
               {{2, 4, 12}},
               [](auto& v) { return attention(v[0], 3); },
               "attention: heads must divide the channels of q, k and v, got 3 for [2, 4, 12]"},
          }};
}

}  // namespace autodidact
