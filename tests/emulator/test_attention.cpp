// Attention on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/attention.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int batch, tokens, heads, dim;
};
// One token, fewer than a warp, a tile and one more, several tiles; a lane with one, two, four
// and eight channels, and channels that do not fill the lanes.
const Case kCases[] = {{1, 1, 1, 1},   {2, 5, 2, 3},   {1, 17, 2, 16}, {1, 33, 1, 32},
                       {1, 65, 1, 40}, {1, 9, 1, 100}, {1, 7, 1, 256}};

}  // namespace

TEST_CASE("attention.cu: forward as on the CPU") {
  for (const Case& k : kCases) {
    const int64_t n = int64_t(k.batch) * k.tokens * k.heads * k.dim;
    Values qkv = random_values(3 * n, 1);
    check_device("attention", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* o = b.out(n);
      Acc<T>* lse = b.out_acc(int64_t(k.batch) * k.heads * k.tokens);
      run(queue, AttentionForward<T>{o, lse, b.in(qkv), k.batch, k.tokens, k.heads, k.dim});
    });
  }
}

TEST_CASE("attention.cu: logits far below zero, of fewer keys than a tile") {
  const Case k{1, 5, 1, 16};
  const int64_t n = int64_t(k.tokens) * k.dim;
  Values qkv = random_values(3 * n, 1);  // a token's q, k and v lie side by side
  for (int64_t i = 0; i < 3 * n; ++i)
    if (int64_t part = i / k.dim % 3; part < 2) qkv[size_t(i)] += part == 0 ? 8 : -8;
  auto kernel = [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    T* o = b.out(n);
    run(queue,
        AttentionForward<T>{o, b.out_acc(k.tokens), b.in(qkv), k.batch, k.tokens, k.heads, k.dim});
  };
  check_device_as<float>("attention", kernel);
}

TEST_CASE("attention.cu: a head of more channels than lanes can keep is refused") {
  const float qkv[3 * 257] = {};
  float o[257];
  CHECK_THROWS_WITH(run(device_queue(), AttentionForward<float>{o, nullptr, qkv, 1, 1, 1, 257}),
                    "attention: a head must have at most 256 channels on CUDA, got 257");
}

TEST_CASE("attention.cu: backward as on the CPU") {
  for (const Case& k : kCases) {
    const int64_t n = int64_t(k.batch) * k.tokens * k.heads * k.dim;
    Values qkv = random_values(3 * n, 1), dout = random_values(n, 2), o(static_cast<size_t>(n)),
           lse(size_t(k.batch * k.heads * k.tokens));
    std::vector<double> exact = qkv;
    for (double& v : exact) v = float(v);
    run(Cpu{}, AttentionForward<double>{o.data(), lse.data(), exact.data(), k.batch, k.tokens,
                                        k.heads, k.dim});
    check_device("attention backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* dqkv = b.out(3 * n);
      const T *of_dout = b.in(dout), *of_o = b.in(o), *of_qkv = b.in(qkv);
      run(queue, AttentionBackward<T>{dqkv, of_dout, of_o, of_qkv, b.in_acc(lse), k.batch, k.tokens,
                                      k.heads, k.dim});
    });
  }
}
