// Rows and refusals of conv2d; tests/kernels/test_conv.cpp compares its values with the definition.
#include "tests/op_cases.h"

namespace autodidact {

// Winograd's way, which f32 and bf16 take at 3 x 3, stride 1, padding 1 (kernels/winograd.cpp), is
// held to five times the root mean square error of a direct sum (tests/kernels/test_winograd.cpp).
// The plain sum cannot be the measure here: the inputs have the 8 bits of bf16, so that it hardly
// rounds. Of k products with all their bits it is off by u sqrt(k) / 10 of the largest of 10^4
// results, and the largest error of so many is 4.5 times their root mean square: 5 * 4.5 / 10
// sqrt(k) roundings, and k is at most 630 in these rows.
constexpr double kWinograd = 56;

OpFamily conv_cases() {
  return {
      {
          {.op = "conv2d",
           .sizes = {{{2, 8, 8, 16}, {16, 3, 3, 16}, {16}},
                     {{5, 9, 14, 24}, {40, 3, 3, 24}, {40}},
                     {{1, 13, 6, 70}, {33, 3, 3, 70}, {33}}},
           .call = [](auto& v) { return conv2d(v[0], v[1], v[2], {.padding = 1}); },
           .roundings = kWinograd,
           .parameters = {2}},
          {.op = "conv2d",
           .sizes = {{{1, 1, 1, 1}, {1, 3, 3, 1}, {1}},
                     {{2, 5, 7, 3}, {9, 3, 3, 3}, {9}},
                     {{3, 8, 6, 17}, {20, 3, 3, 17}, {20}},
                     {{0, 5, 7, 3}, {9, 3, 3, 3}, {9}}},
           .call = [](auto& v) { return conv2d(v[0], v[1], v[2], {.padding = 1}); },
           .roundings = kWinograd,
           .parameters = {2}},
          {.op = "conv2d",
           .sizes = {{{2, 9, 8, 4}, {5, 3, 3, 4}}, {{2, 8, 8, 16}, {8, 1, 1, 16}}},
           .call = [](auto& v) { return conv2d(v[0], v[1], {}, {.stride = 2, .padding = 1}); }},
          {.op = "conv2d",
           .sizes = {{{1, 9, 11, 2}, {3, 5, 3, 2}}},
           .call = [](auto& v) { return conv2d(v[0], v[1], {}, {.dilation = 2}); }},
      },
      {
          {"conv2d",
           {{8, 8, 3}, {4, 3, 3, 3}},
           [](auto& v) { return conv2d(v[0], v[1]); },
           "conv2d: x must be [N, H, W, C], got [8, 8, 3]"},
          {"conv2d",
           {{1, 8, 8, 3}, {4, 3, 3, 2}},
           [](auto& v) { return conv2d(v[0], v[1]); },
           "conv2d: w must be [out, kh, kw, 3], got [4, 3, 3, 2]"},
          {"conv2d",
           {{1, 8, 8, 3}, {4, 3, 3, 3}, {3}},
           [](auto& v) { return conv2d(v[0], v[1], v[2]); },
           "conv2d: bias must be [4], got [3]"},
          {"conv2d",
           {{1, 8, 8, 3}, {4, 3, 3, 3}},
           [](auto& v) { return conv2d(v[0], v[1], {}, {.stride = 0}); },
           "conv2d: needs stride >= 1, padding >= 0, dilation >= 1, got 0, 0, 1"},
          {"conv2d",
           {{1, 2, 8, 3}, {4, 3, 3, 3}},
           [](auto& v) { return conv2d(v[0], v[1]); },
           "conv2d: the kernel must fit into the padded image, got x [1, 2, 8, 3], w [4, 3, 3, 3], "
           "padding 0, dilation 1"},
          {"conv2d",
           {{1, 8, 8, 0}, {4, 3, 3, 0}},
           [](auto& v) { return conv2d(v[0], v[1]); },
           "conv2d: x must have pixels and channels, got [1, 8, 8, 0]"},
          {"conv2d",
           {{1, 8, 8, 3}, {4, 0, 3, 3}},
           [](auto& v) { return conv2d(v[0], v[1]); },
           "conv2d: w must have channels and a kernel, got [4, 0, 3, 3]"},
          {"conv2d",
           {{1, 8, 8, 3}, {4, 3, 3, 3}, {4}},
           [](auto& v) { return conv2d(v[0], v[1], cast(v[2], Dtype::bf16)); },
           "conv2d: bias must be f32, got bf16"},
      }};
}

}  // namespace autodidact
