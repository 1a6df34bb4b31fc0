// Which SIMD bodies this process runs: plain, AVX2 + FMA, or AVX-512. Chosen once, from the CPU and
// from AUTODIDACT_ISA=plain|avx2|avx512, which caps the class (it never raises it). Results are
// byte-equal within a class.
#pragma once

namespace autodidact {

enum class CpuClass { plain, avx2, avx512 };

CpuClass cpu_class();  // the class in use; throws std::runtime_error on an unknown AUTODIDACT_ISA
CpuClass best_cpu_class();       // what the CPU offers, whatever the cap
bool cpu_has_bf16();             // vdpbf16ps (AVX512_BF16), and the class in use is avx512
void set_cpu_class(CpuClass c);  // for tests: at most best_cpu_class(); not while kernels run
const char* name(CpuClass c);

// The body for the class in use. Every family's run() is one call of this.
template <class F>
F* for_cpu_class(F* plain, F* avx2, F* avx512) {
  switch (cpu_class()) {
    case CpuClass::avx512:
      return avx512;
    case CpuClass::avx2:
      return avx2;
    default:
      return plain;
  }
}

}  // namespace autodidact
