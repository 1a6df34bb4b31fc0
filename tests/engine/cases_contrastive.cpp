#include <cmath>
#include "tests/op_cases.h"

namespace autodidact {

// `rows` keys of q's dtype and dimension, of about length 1, that no input holds: they get no
// gradient.
static Tensor keys_for(const Tensor& q, int rows, double phase) {
  const int dim = q.shape[1];
  Tensor keys = empty({rows, dim}, Dtype::f64);
  for (int64_t i = 0; i < keys.size(); ++i)
    ptr<double>(keys)[i] =
        float(bf16(float(std::sin(double(i) * 0.7 + phase) * std::sqrt(2.0 / dim))));
  return to_device(cast(keys, q.dtype), q.device());
}
static Tensor loss_of(const Tensor& q, int keys, float temperature, bool unit) {
  return infonce(q, keys_for(q, q.shape[0], 0.4), keys_for(q, keys, 1.1), temperature, unit);
}

OpFamily contrastive_cases() {
  return {{
              {"infonce",
               {{{1, 1}}, {{5, 7}}, {{33, 20}}, {{2, 300}}},
               [](auto& v) { return loss_of(v[0], 131, 0.2f, false); }},
              {"infonce",
               {{{1, 3}}, {{7, 10}}, {{65, 24}}},
               [](auto& v) { return loss_of(v[0], 1, 0.5f, false); }},
              {"infonce",
               {{{3, 8}}, {{40, 17}}},
               [](auto& v) { return loss_of(v[0], 700, 0.07f, true); },
               -0.2,
               0.2},
          },
          {
              {"infonce",
               {{3}, {3}, {5, 3}},
               [](auto& v) { return infonce(v[0], detach(v[1]), detach(v[2]), 0.1f); },
               "infonce: q must be [B, D], got [3]"},
              {"infonce",
               {{3, 4}, {2, 4}, {5, 4}},
               [](auto& v) { return infonce(v[0], detach(v[1]), detach(v[2]), 0.1f); },
               "infonce: k must be [3, 4], got [2, 4]"},
              {"infonce",
               {{3, 4}, {3, 4}, {5, 6}},
               [](auto& v) { return infonce(v[0], detach(v[1]), detach(v[2]), 0.1f); },
               "infonce: queue must be [K, 4], got [5, 6]"},
              {"infonce",
               {{3, 4}, {3, 4}, {5, 4}},
               [](auto& v) { return infonce(v[0], detach(v[1]), detach(v[2]), 0.0f); },
               "infonce: temperature must be above 0, got 0"},
              {"infonce",
               {{3, 4}, {3, 4}, {5, 4}},
               [](auto& v) { return infonce(v[0], v[1], detach(v[2]), 0.1f); },
               "infonce: k and queue get no gradient: detach them"},
              {"infonce",
               {{3, 4}, {3, 4}, {5, 4}},
               [](auto& v) {
                 return infonce(v[0], detach(v[1]), cast(detach(v[2]), Dtype::bf16), 0.1f);
               },
               "infonce: queue must be f32, got bf16"},
          }};
}

}  // namespace autodidact
