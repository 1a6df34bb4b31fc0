// What this machine can do at most, measured in the same run as the kernels: fused multiply-adds
// per second, and bytes per second of a triad over arrays far larger than the caches.
#pragma once
#include "bench/cases/case.h"

namespace autodidact {

// One call: 12 independent chains of f32 multiply-adds on every thread, in the widest vectors that
// the CPU has.
BenchWork fma_ceiling();
// One call: c = a + 3 b, 64 MB each.
BenchWork stream_ceiling();

}  // namespace autodidact
