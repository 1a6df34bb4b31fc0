// Rows and refusals of the pools; the definitions walk over each window.
#include <algorithm>
#include "tests/op_cases.h"

namespace autodidact {

// fold(window, in the padding counted) of [N, H, W, C].
template <class F>
static auto window_definition(int kernel, int stride, int pad, F fold) {
  return [=](const std::vector<std::vector<double>>& v, const std::vector<Shape>& shapes) {
    const Shape& s = shapes[0];
    int out_h = (s[1] + 2 * pad - kernel) / stride + 1,
        out_w = (s[2] + 2 * pad - kernel) / stride + 1;
    std::vector<double> y;
    for (int n = 0; n < s[0]; ++n)
      for (int i = 0; i < out_h; ++i)
        for (int j = 0; j < out_w; ++j)
          for (int c = 0; c < s[3]; ++c) {
            std::vector<double> window;
            for (int h = i * stride - pad; h < i * stride - pad + kernel; ++h)
              for (int w = j * stride - pad; w < j * stride - pad + kernel; ++w)
                if (h >= 0 && h < s[1] && w >= 0 && w < s[2])
                  window.push_back(v[0][size_t(((n * s[1] + h) * s[2] + w) * s[3] + c)]);
            y.push_back(fold(window));
          }
    return y;
  };
}
static auto max_definition(int kernel, int stride, int pad) {
  return window_definition(kernel, stride, pad, [](const std::vector<double>& window) {
    return *std::max_element(window.begin(), window.end());
  });
}
static auto average_definition(int kernel, int stride, int pad) {  // the padding counts as zeros
  return window_definition(kernel, stride, pad, [kernel](const std::vector<double>& window) {
    double sum = 0;
    for (double x : window) sum += x;
    return sum / (kernel * kernel);
  });
}
static std::vector<double> global_definition(const std::vector<std::vector<double>>& v,
                                             const std::vector<Shape>& shapes) {
  const Shape& s = shapes[0];
  int pixels = s[1] * s[2];
  std::vector<double> y(size_t(s[0] * s[3]));
  for (int n = 0; n < s[0]; ++n)
    for (int p = 0; p < pixels; ++p)
      for (int c = 0; c < s[3]; ++c)
        y[size_t(n * s[3] + c)] += v[0][size_t((n * pixels + p) * s[3] + c)] / pixels;
  return y;
}

OpFamily pool_cases() {
  std::vector<std::vector<Shape>> padded = {
      {{1, 3, 3, 1}}, {{2, 7, 5, 3}}, {{1, 9, 8, 17}}, {{0, 7, 5, 3}}};
  return {{
              {.op = "max_pool2d",
               .sizes = padded,
               .call = [](auto& v) { return max_pool2d(v[0], 3, 2, 1); },
               .definition = max_definition(3, 2, 1)},
              {.op = "max_pool2d",
               .sizes = {{{2, 4, 6, 8}}},
               .call = [](auto& v) { return max_pool2d(v[0], 2, 2, 0); },
               .definition = max_definition(2, 2, 0)},
              {.op = "avg_pool2d",
               .sizes = padded,
               .call = [](auto& v) { return avg_pool2d(v[0], 3, 2, 1); },
               .definition = average_definition(3, 2, 1)},
              {.op = "avg_pool2d",
               .sizes = {{{2, 4, 6, 8}}},
               .call = [](auto& v) { return avg_pool2d(v[0], 2, 2, 0); },
               .definition = average_definition(2, 2, 0)},
              {.op = "global_avg_pool",
               .sizes = {{{1, 1, 1, 1}}, {{2, 7, 5, 3}}, {{3, 4, 4, 40}}, {{0, 7, 5, 3}}},
               .call = [](auto& v) { return global_avg_pool(v[0]); },
               .definition = global_definition},
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
              {"max_pool2d",
               {{2, 3, 3, 1}},
               [](auto& v) { return max_pool2d(empty(v[0].shape, Dtype::u8), 2, 2, 0); },
               "max_pool2d: x must be f32, bf16 or f64, got u8"},
          }};
}

}  // namespace autodidact
