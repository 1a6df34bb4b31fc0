// What a GPU can do at most, as kernels: multiply-adds of its f32 cores and of its tensor cores
// that depend on nothing but themselves, and a triad over memory.
#pragma once
#include <cstdint>
#include "kernels/platform.h"

#if defined(HAS_CUDA)
namespace autodidact {

inline constexpr int kCeilingThreads = 256;  // of a block
inline constexpr int kCeilingChains = 8;     // of a thread, or of a warp's products

// Each thread runs kCeilingChains chains of `rounds` f32 fused multiply-adds.
struct FmaChains {
  float* y;  // [blocks, kCeilingThreads], the chains' sums
  int blocks, rounds;
  double flop() const { return 2.0 * blocks * kCeilingThreads * kCeilingChains * rounds; }
};
// Each warp runs kCeilingChains chains of `rounds` bf16 products of 16 x 8 x 16 (kernels/mma.h).
struct MmaChains {
  float* y;  // [blocks, kCeilingThreads]
  int blocks, rounds;
  double flop() const {
    return 2.0 * 16 * 8 * 16 * blocks * (kCeilingThreads / 32) * kCeilingChains * rounds;
  }
};
// c = a + 3 b
struct Triad {
  float* c;
  const float *a, *b;
  int64_t n;  // a multiple of 4; the arrays aligned to 16 bytes
};

void run(Cuda, FmaChains);
void run(Cuda, MmaChains);
void run(Cuda, Triad);

}  // namespace autodidact
#endif
