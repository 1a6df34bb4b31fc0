// Which SIMD bodies this process runs: plain, AVX2 + FMA, AVX-512, or AVX-512 whose products of
// bf16 matrices are vdpbf16ps. Chosen once, from the CPU and from AUTODIDACT_ISA=plain|avx2|avx512|
// avx512_bf16: the class named, or the best below it that the CPU has. Results are byte-equal
// within a class.
#pragma once

namespace autodidact {

enum class CpuClass { plain, avx2, avx512, avx512_bf16 };

CpuClass cpu_class();  // the class in use; throws std::runtime_error on an unknown AUTODIDACT_ISA
// The one for this CPU where nothing is asked for. Not avx512_bf16 where vdpbf16ps is the slower
// way: on Sapphire and Emerald Rapids it takes the time of four multiply-adds for the work of two,
// on Zen 5 that of one.
CpuClass best_cpu_class();
bool cpu_has(CpuClass c);
void set_cpu_class(CpuClass c);  // for tests: one that the CPU has; not while kernels run
const char* name(CpuClass c);

// The body for the class in use. Every family's run() is one call of this. avx512_bf16 differs from
// avx512 inside of matrix products alone (with_element in kernels/matrix_tile-inl.h).
template <class F>
F* for_cpu_class(F* plain, F* avx2, F* avx512) {
  switch (cpu_class()) {
    case CpuClass::avx512_bf16:
    case CpuClass::avx512:
      return avx512;
    case CpuClass::avx2:
      return avx2;
    default:
      return plain;
  }
}

}  // namespace autodidact
