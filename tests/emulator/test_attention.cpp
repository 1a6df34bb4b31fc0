// Attention on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/attention.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int batch, tokens, heads, dim;
};
// One token, fewer than a warp, a tile and one more, several tiles; a lane with one, two and four
// channels, and channels that do not fill the lanes.
const Case kCases[] = {{1, 1, 1, 1},   {2, 5, 2, 3},   {1, 17, 2, 16}, {1, 33, 1, 32},
                       {1, 65, 1, 40}, {1, 9, 1, 100}, {1, 7, 1, 130}};

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
