// A GPU's ceilings (device_ceilings.h).
#include "bench/cases/device_ceilings.h"
#include "kernels/mma.h"
#include "kernels/pack.h"

namespace autodidact {
namespace {

__global__ void fma_kernel(FmaChains p) {
  float sums[kCeilingChains], total = 0;
  UNROLL
  for (int c = 0; c < kCeilingChains; ++c) sums[c] = float(threadIdx.x + c);
  NO_UNROLL
  for (int i = 0; i < p.rounds; ++i) {
    UNROLL
    for (int c = 0; c < kCeilingChains; ++c) sums[c] = fma(sums[c], 0.999f, 0.001f);
  }
  UNROLL
  for (int c = 0; c < kCeilingChains; ++c) total += sums[c];
  p.y[blockIdx.x * kCeilingThreads + threadIdx.x] = total;
}

__global__ void mma_kernel(MmaChains p) {
  const uint32_t a[4] = {threadIdx.x, 1, 2, 3}, b = threadIdx.x;  // small numbers of bf16
  float sums[kCeilingChains][4] = {}, total = 0;
  NO_UNROLL
  for (int i = 0; i < p.rounds; ++i) {
    UNROLL
    for (int c = 0; c < kCeilingChains; ++c) mma(sums[c], a, b, b);
  }
  UNROLL
  for (int c = 0; c < kCeilingChains; ++c)
    total += sums[c][0] + sums[c][1] + sums[c][2] + sums[c][3];
  p.y[blockIdx.x * kCeilingThreads + threadIdx.x] = total;
}

__global__ void triad_kernel(Triad p) {
  constexpr int kWide = kPack<float>;
  const int64_t i = kWide * (int64_t(blockIdx.x) * kCeilingThreads + threadIdx.x);
  if (i >= p.n) return;
  auto c = load<kWide>(p.a + i);
  const auto b = load<kWide>(p.b + i);
  for (int k = 0; k < kWide; ++k) c.v[k] += 3 * b.v[k];
  store(p.c + i, c);
}

}  // namespace

void run(Cuda queue, FmaChains p) { launch(queue, p.blocks, kCeilingThreads, 0, fma_kernel, p); }
void run(Cuda queue, MmaChains p) { launch(queue, p.blocks, kCeilingThreads, 0, mma_kernel, p); }
void run(Cuda queue, Triad p) {
  const int64_t threads = p.n / kPack<float>;
  launch(queue, unsigned((threads + kCeilingThreads - 1) / kCeilingThreads), kCeilingThreads, 0,
         triad_kernel, p);
}

}  // namespace autodidact
