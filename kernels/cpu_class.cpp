#include "kernels/cpu_class.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace autodidact {

constexpr CpuClass kClasses[] = {CpuClass::avx512_bf16, CpuClass::avx512, CpuClass::avx2,
                                 CpuClass::plain};

bool cpu_has(CpuClass c) {
  if (c == CpuClass::plain) return true;
#if defined(__x86_64__)
  // Clang 14 does not know this one by name.
  unsigned eax, ebx, ecx, edx;
  const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
  if (c == CpuClass::avx2)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2") && f16c;
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
         (c == CpuClass::avx512 || __builtin_cpu_supports("avx512bf16"));
#else
  return false;
#endif
}

static CpuClass best_up_to(CpuClass most) {
  return *std::find_if(std::begin(kClasses), std::end(kClasses),
                       [=](CpuClass c) { return c <= most && cpu_has(c); });
}

CpuClass best_cpu_class() {
#if defined(__x86_64__)
  if (__builtin_cpu_is("amd")) return best_up_to(CpuClass::avx512_bf16);
#endif
  return best_up_to(CpuClass::avx512);
}

const char* name(CpuClass c) {
  constexpr const char* kNames[] = {"plain", "avx2", "avx512", "avx512_bf16"};
  return kNames[int(c)];
}

static CpuClass class_from_environment() {
  const char* asked = std::getenv("AUTODIDACT_ISA");
  if (!asked || !*asked) return best_cpu_class();
  for (CpuClass c : kClasses)
    if (std::string(asked) == name(c)) return best_up_to(c);
  throw std::runtime_error("AUTODIDACT_ISA must be plain, avx2, avx512 or avx512_bf16, got " +
                           std::string(asked));
}

static std::atomic<CpuClass>& current() {
  static std::atomic<CpuClass> c = class_from_environment();
  return c;
}

CpuClass cpu_class() { return current().load(std::memory_order_relaxed); }

void set_cpu_class(CpuClass c) {
  if (!cpu_has(c)) throw std::runtime_error(std::string("this CPU has no ") + name(c));
  current() = c;
}

}  // namespace autodidact
