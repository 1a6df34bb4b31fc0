// Philox 4x32-10, a counter-based random number generator: the same (key, counter) gives the same
// numbers on every device, in any order, on any thread (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011).
#pragma once
#include "kernels/platform.h"

namespace autodidact {

struct Philox4 {
  uint32_t v[4];
};

HD Philox4 philox(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  uint32_t c0 = uint32_t(counter_low), c1 = uint32_t(counter_low >> 32);
  uint32_t c2 = uint32_t(counter_high), c3 = uint32_t(counter_high >> 32);
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    uint32_t n0 = uint32_t(p1 >> 32) ^ c1 ^ k0, n2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c1 = uint32_t(p1), c3 = uint32_t(p0), c0 = n0, c2 = n2;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// [0, 1), 24 bits: every value is exact in float, and 1 is never returned.
HD float uniform(uint32_t bits) { return float(bits >> 8) * (1.0f / 16777216.0f); }
// 0 .. n-1 by multiplication; the bias is below n / 2^32.
HD uint32_t below(uint32_t bits, uint32_t n) { return uint32_t((uint64_t(bits) * n) >> 32); }

}  // namespace autodidact
