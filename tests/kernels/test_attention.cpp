// Attention: every class against f64, at the lengths it is tuned for and beyond one block of
// queries. (Definition and gradient: tests/engine/cases_attention.cpp.)
#include "kernels/attention.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {
struct Case {
  int batch, tokens, heads, dim;
};
// 17 to 257 tokens; heads of 16 to 128 channels, and of no whole vector; several blocks of queries;
// so many keys that a block has its least rows.
const Case kCases[] = {{2, 17, 4, 32},  {1, 50, 3, 16},  {1, 65, 2, 64},  {1, 197, 1, 64},
                       {1, 257, 1, 80}, {1, 33, 1, 128}, {1, 1700, 1, 5}, {3, 7, 2, 3}};
}  // namespace

TEST_CASE("attention: every class, forward and backward") {
  for (const Case& k : kCases) {
    const int64_t n = int64_t(k.batch) * k.tokens * k.heads * k.dim;
    const int64_t rows = int64_t(k.batch) * k.heads * k.tokens;
    Values qkv = random_values(3 * n, 1), dout = random_values(n, 2);
    check_kernel("attention", [&]<class T>(Buffers<T>& b) {
      T* o = b.out(n);
      run(Cpu{},
          AttentionForward<T>{o, b.out_acc(rows), b.in(qkv), k.batch, k.tokens, k.heads, k.dim});
      T* alone = b.out(n);
      run(Cpu{}, AttentionForward<T>{alone, nullptr, b.in(qkv), k.batch, k.tokens, k.heads, k.dim});
    });
    Values o(static_cast<size_t>(n)), lse(static_cast<size_t>(rows));
    run(Cpu{}, AttentionForward<double>{o.data(), lse.data(), qkv.data(), k.batch, k.tokens,
                                        k.heads, k.dim});
    check_kernel("attention backward", [&]<class T>(Buffers<T>& b) {
      run(Cpu{}, AttentionBackward<T>{b.out(3 * n), b.in(dout), b.in(o), b.in(qkv), b.in_acc(lse),
                                      k.batch, k.tokens, k.heads, k.dim});
    });
  }
}

TEST_CASE("attention takes no memory of tokens x tokens") {
  constexpr int kTokens = 4096, kDim = 8;
  std::vector<float> qkv(size_t(3 * kTokens * kDim), 0.25f), o(size_t(kTokens * kDim)),
      lse(static_cast<size_t>(kTokens)), d(qkv.size());
  const size_t before = scratch_high_water();
  run(Cpu{}, AttentionForward<float>{o.data(), lse.data(), qkv.data(), 1, kTokens, 1, kDim});
  run(Cpu{}, AttentionBackward<float>{d.data(), o.data(), o.data(), qkv.data(), lse.data(), 1,
                                      kTokens, 1, kDim});
  const size_t matrix = size_t(kTokens) * kTokens * sizeof(float);
  CHECK(scratch_high_water() - before < matrix / 16);
  CHECK(o[5] == doctest::Approx(0.25));  // all values are equal, and so is their mean
}
