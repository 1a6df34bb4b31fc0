// What this machine can do at most, measured in the same run as the kernels: fused multiply-adds
// per second, and bytes per second of a triad over arrays far larger than the caches.
#pragma once
#include "bench/cases/case.h"

namespace autodidact {

// One call: independent chains of f32 multiply-adds, on the CPU on every thread in the widest
// vectors that it has.
BenchWork fma_ceiling(Device device = Device::cpu);
// The tensor cores' bf16 products, or vdpbf16ps in the class that multiplies by it; fma_ceiling in
// the others.
BenchWork bf16_ceiling(Device device);
// One call: c = a + 3 b, 64 MB each.
BenchWork stream_ceiling(Device device = Device::cpu);

}  // namespace autodidact
