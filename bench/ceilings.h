// What this machine can do at most, measured in the same run as the kernels: fused multiply-adds
// per second and bytes per second of a copy and of a triad over arrays far larger than the caches.
#pragma once
#include <benchmark/benchmark.h>
#include <immintrin.h>
#include <vector>
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"

namespace autodidact {

// `rounds` times 12 independent chains of fused multiply-adds; returns the operations done (2
// each).
__attribute__((target("avx2,fma"))) inline double fma_chains_avx2(int64_t rounds) {
  __m256 sum[12];
  for (auto& s : sum) s = _mm256_set1_ps(1.0f);
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) s = _mm256_fmadd_ps(s, a, b);
  }
  for (auto& s : sum) benchmark::DoNotOptimize(s);
  return double(rounds) * 12 * 8 * 2;
}
__attribute__((target("avx512f"))) inline double fma_chains_avx512(int64_t rounds) {
  __m512 sum[12];
  for (auto& s : sum) s = _mm512_set1_ps(1.0f);
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (auto& s : sum) s = _mm512_fmadd_ps(s, a, b);
  }
  for (auto& s : sum) benchmark::DoNotOptimize(s);
  return double(rounds) * 12 * 16 * 2;
}

inline void fma_peak(benchmark::State& state) {
  constexpr int64_t kRounds = 1 << 18;
  auto body = best_cpu_class() == CpuClass::avx512 ? fma_chains_avx512 : fma_chains_avx2;
  double operations = 0;
  for (auto _ : state) {
    std::vector<double> done(static_cast<size_t>(thread_count()));
    parallel_for(thread_count(), 1, [&](int64_t t, int64_t) { done[size_t(t)] = body(kRounds); });
    for (double d : done) operations += d;
  }
  state.counters["FLOP/s"] = benchmark::Counter(operations, benchmark::Counter::kIsRate);
}

// c = a + 3 b over 64 MB arrays.
inline void stream_triad(benchmark::State& state) {
  constexpr int64_t kCount = 16 << 20;
  std::vector<float> a(kCount, 1), b(kCount, 2), c(kCount, 0);
  for (auto _ : state) {
    parallel_for(kCount, 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) c[size_t(i)] = a[size_t(i)] + 3 * b[size_t(i)];
    });
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(int64_t(state.iterations()) * kCount * 12);
}

inline void register_ceilings() {
  benchmark::RegisterBenchmark("ceiling/fma", fma_peak)->MeasureProcessCPUTime();
  benchmark::RegisterBenchmark("ceiling/stream_triad", stream_triad)->MeasureProcessCPUTime();
}

}  // namespace autodidact
