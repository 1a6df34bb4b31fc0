#include "bench/cases/ceilings.h"
#include <immintrin.h>
#include "kernels/cpu_class.h"
#include "bench/cases/device_ceilings.h"
#include "kernels/parallel.h"

namespace autodidact {
namespace {

constexpr int kChains = 12;  // more than latency times ports of any of these CPUs, and registers
constexpr int64_t kRounds = 1 << 14;  // a call of tens of microseconds

__attribute__((target("avx2,fma"))) void chains_avx2() {
  __m256 sum[kChains];
  for (auto& s : sum) s = _mm256_set1_ps(1.0f);
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
  for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) s = _mm256_fmadd_ps(s, a, b);
  }
  for (auto& s : sum) asm volatile("" : "+x"(s));  // wanted, or the compiler drops the chains
}
__attribute__((target("avx512f"))) void chains_avx512() {
  __m512 sum[kChains];
  for (auto& s : sum) s = _mm512_set1_ps(1.0f);
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
  for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) s = _mm512_fmadd_ps(s, a, b);
  }
  for (auto& s : sum) asm volatile("" : "+v"(s));
}
__attribute__((target("avx512f,avx512bf16"))) void chains_bf16() {
  __m512 sum[kChains];
  for (auto& s : sum) s = _mm512_set1_ps(1.0f);
  const __m512i ones = _mm512_set1_epi16(0x3f80);
  for (int64_t i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) s = _mm512_dpbf16_ps(s, (__m512bh)ones, (__m512bh)ones);
  }
  for (auto& s : sum) asm volatile("" : "+v"(s));
}

BenchWork chains_on_cpu(void (*chains)(), int operations) {  // of an instruction
  BenchWork work;
  work.run = [chains] { parallel_for(thread_count(), 1, [&](int64_t, int64_t) { chains(); }); };
  work.flop = double(kRounds) * kChains * operations * thread_count();
  return work;
}

}  // namespace

#if defined(HAS_CUDA)
// About a millisecond on an H100; enough blocks that the last wave does not count.
template <class Chains>
static BenchWork chains_on_gpu(int rounds) {
  constexpr int kBlocks = 1 << 12;
  BenchMemory memory(Device::cuda);
  const Chains chains{memory.filled<float>(kBlocks * kCeilingThreads, 0), kBlocks, rounds};
  return memory.work(chains, chains.flop(), 0);
}
#endif

BenchWork fma_ceiling([[maybe_unused]] Device device) {
#if defined(HAS_CUDA)
  if (device == Device::cuda) return chains_on_gpu<FmaChains>(1 << 11);
#endif
  const bool wide = cpu_class() >= CpuClass::avx512;
  return wide ? chains_on_cpu(chains_avx512, 32) : chains_on_cpu(chains_avx2, 16);
}

BenchWork bf16_ceiling(Device device) {
#if defined(HAS_CUDA)
  if (device == Device::cuda) return chains_on_gpu<MmaChains>(1 << 10);
#endif
  if (cpu_class() == CpuClass::avx512_bf16) return chains_on_cpu(chains_bf16, 64);
  return fma_ceiling(device);
}

BenchWork stream_ceiling(Device device) {
  constexpr int64_t kCount = 16 << 20;
  BenchMemory memory(device);
  const float *a = memory.filled<float>(kCount, 1), *b = memory.filled<float>(kCount, 2);
  float* c = memory.filled<float>(kCount, 0);
#if defined(HAS_CUDA)
  if (device == Device::cuda) return memory.work(Triad{c, a, b, kCount}, 0, double(kCount) * 12);
#endif
  BenchWork work;
  work.run = [a, b, c, keep = memory] {
    parallel_for(kCount, 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) c[i] = a[i] + 3 * b[i];
    });
  };
  work.bytes = double(kCount) * 12;
  return work;
}

}  // namespace autodidact
