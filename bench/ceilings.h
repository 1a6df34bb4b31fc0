// The machine's ceilings (bench/cases/ceilings.h) as rows of a Google Benchmark program.
#pragma once
#include <benchmark/benchmark.h>
#include "bench/cases/ceilings.h"

namespace autodidact {

// Bytes and FLOP per second of CPU time over all threads.
inline void measure(benchmark::State& state, const BenchWork& work) {
  for (auto _ : state) {
    work.run();
    benchmark::ClobberMemory();
  }
  if (work.flop > 0)
    state.counters["FLOP/s"] =
        benchmark::Counter(work.flop, benchmark::Counter::kIsIterationInvariantRate);
  if (work.bytes > 0) state.SetBytesProcessed(int64_t(double(state.iterations()) * work.bytes));
}

inline void register_ceilings() {
  benchmark::RegisterBenchmark("ceiling/fma", [](auto& s) {
    measure(s, fma_ceiling());
  })->MeasureProcessCPUTime();
  benchmark::RegisterBenchmark("ceiling/stream_triad", [](auto& s) {
    measure(s, stream_ceiling());
  })->MeasureProcessCPUTime();
}

}  // namespace autodidact
