// Convolutions on emulated CUDA against the CPU: forward, gradients of input, weights and bias. The
// kernels' own files are included, so that the large tile runs on sizes that would not choose it.
#include "device_check.h"
#include "kernels/conv_pixels.cu"
#include "kernels/conv_weights.cu"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  ConvSizes sizes;  // n, h, w, c_in, c_out, kh, kw, stride, padding, dilation
  bool bias = false, large = false;
};
const Case kCases[] = {
    {{1, 1, 1, 1, 1, 1, 1}},
    {{2, 5, 7, 3, 10, 3, 3, 1, 1}, true},         // single elements
    {{2, 6, 5, 8, 16, 3, 3, 1, 1}, true},         // packs
    {{1, 9, 8, 8, 72, 3, 3, 2, 1}},               // two column tiles; four grids
    {{3, 5, 6, 16, 8, 1, 1, 2, 0}, true},         // three of four grids meet no tap
    {{1, 11, 10, 3, 4, 7, 7, 2, 3}, true},        // a stem
    {{2, 9, 9, 8, 8, 3, 3, 1, 2, 2}},             // dilation
    {{1, 12, 11, 4, 5, 3, 5, 3, 2, 2}, true},     // three strides, two dilations, not square
    {{1, 13, 12, 8, 8, 3, 3, 2, 2, 2}},           // stride and dilation with a common divisor
    {{2, 7, 4, 5, 6, 5, 1, 4, 3}},                // a stride beyond the width, padding below
    {{1, 2, 2, 8, 8, 5, 5, 1, 2}, true},          // a kernel larger than the image
    {{2, 8, 9, 32, 24, 3, 3, 1, 1}, true, true},  // 144 pixels of the large tile
    {{1, 11, 13, 6, 130, 3, 3, 1, 1}, true, true},
};
// 1,568 pixels: the sum over them has three parts, so that their order shows.
const ConvSizes kSplit = {2, 28, 28, 4, 6, 3, 3, 1, 1};

int64_t outputs(const ConvSizes& s) { return int64_t(s.n) * s.out_h() * s.out_w() * s.c_out; }
int64_t inputs(const ConvSizes& s) { return int64_t(s.n) * s.h * s.w * s.c_in; }
int64_t weights(const ConvSizes& s) { return int64_t(s.c_out) * s.kh * s.kw * s.c_in; }
std::string words(const ConvSizes& s) {
  std::string text;
  for (int i : {s.n, s.h, s.w, s.c_in, s.c_out, s.kh, s.kw, s.stride, s.padding, s.dilation})
    text += std::to_string(i) + " ";
  return text;
}

template <bool kBackward, class T>
void with_large_tile(Cuda queue, const ConvPixels<T>& c) {
  conv_pixels<kBackward>(queue, c,
                         cut_into<LargeTile<T>>(true, c.pixels, c.out_c, c.depth, 1, false));
}

void run_large(Cpu queue, auto p) { run(queue, p); }
template <class T>
void run_large(Cuda queue, ConvForward<T> p) {
  with_large_tile<false>(queue, arguments(p));
}
template <class T>
void run_large(Cuda queue, ConvBackwardData<T> p) {
  for (int y = 0; y < p.sizes.stride; ++y)
    for (int x = 0; x < p.sizes.stride; ++x) with_large_tile<true>(queue, arguments(p, y, x));
}
template <class T>
void run_large(Cuda queue, ConvBackwardWeights<T> p) {
  const ConvWeights<T> c = arguments(p);
  conv_weights(queue, c,
               cut_into<LargeTile<T>>(true, p.sizes.c_out, c.columns, c.pixels, 1, false));
}

}  // namespace

TEST_CASE("conv_pixels.cu: forward as on the CPU") {
  for (const Case& k : kCases) {
    const ConvSizes& s = k.sizes;
    const Values x = random_values(inputs(s), 1), w = random_values(weights(s), 2);
    const Values bias = random_values(s.c_out, 3);
    check_device("conv forward " + words(s), [&]<template <class> class B, class T>(auto queue,
                                                                                    B<T>& b) {
      ConvForward<T> p{b.out(outputs(s)), b.in(x), b.in(w), k.bias ? b.in_acc(bias) : nullptr, s};
      k.large ? run_large(queue, p) : run(queue, p);
    });
  }
}

TEST_CASE("conv_pixels.cu: gradient of the input as on the CPU") {
  for (const Case& k : kCases) {
    const ConvSizes& s = k.sizes;
    const Values dy = random_values(outputs(s), 1), w = random_values(weights(s), 2);
    check_device("conv backward data " + words(s),
                 [&]<template <class> class B, class T>(auto queue, B<T>& b) {
                   ConvBackwardData<T> p{b.out(inputs(s)), b.in(dy), b.in(w), s};
                   k.large ? run_large(queue, p) : run(queue, p);
                 });
  }
}

TEST_CASE("conv_weights.cu: gradients of weights and bias as on the CPU, and each alone") {
  for (const Case& k : kCases) {
    const ConvSizes& s = k.sizes;
    const Values dy = random_values(outputs(s), 1), x = random_values(inputs(s), 2);
    check_device("conv backward weights " + words(s),
                 [&]<template <class> class B, class T>(auto queue, B<T>& b) {
                   Acc<T>* dw = b.out_acc(weights(s));
                   ConvBackwardWeights<T> p{dw, nullptr, b.in(dy), b.in(x), s};
                   if (k.bias && !k.large) p.dbias = b.out_acc(s.c_out);
                   k.large ? run_large(queue, p) : run(queue, p);
                 });
  }
  const ConvSizes s = kCases[1].sizes;
  const Values dy = random_values(outputs(s), 1);
  check_device("conv bias alone", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    run(queue, ConvBackwardWeights<T>{nullptr, b.out_acc(s.c_out), b.in(dy), nullptr, s});
  });
}

TEST_CASE("conv_weights.cu: a long sum over pixels is split over blocks") {
  const ConvSizes& s = kSplit;
  CHECK(choose_cut<float>(s.c_out, s.kh * s.kw * s.c_in, s.n * s.h * s.w, 1, true).splits > 2);
  const Values dy = random_values(outputs(s), 1), x = random_values(inputs(s), 2);
  check_device("conv split", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    Acc<T>*dw = b.out_acc(weights(s)), *dbias = b.out_acc(s.c_out);
    run(queue, ConvBackwardWeights<T>{dw, dbias, b.in(dy), b.in(x), s});
  });
}
