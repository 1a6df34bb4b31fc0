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

CpuClass best_cpu_class() {
#if defined(__x86_64__)
  // Clang 14 does not know this one by name.
  unsigned a, b, c, d;
  const bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    return CpuClass::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2") && f16c)
    return CpuClass::avx2;
#endif
  return CpuClass::plain;
}

const char* name(CpuClass c) {
  return c == CpuClass::avx512 ? "avx512" : c == CpuClass::avx2 ? "avx2" : "plain";
}

static CpuClass class_from_environment() {
  const char* cap = std::getenv("AUTODIDACT_ISA");
  if (!cap || !*cap) return best_cpu_class();
  for (CpuClass c : {CpuClass::plain, CpuClass::avx2, CpuClass::avx512})
    if (std::string(cap) == name(c)) return std::min(c, best_cpu_class());
  throw std::runtime_error("AUTODIDACT_ISA must be plain, avx2 or avx512, got " + std::string(cap));
}

static std::atomic<CpuClass>& current() {
  static std::atomic<CpuClass> c = class_from_environment();
  return c;
}

CpuClass cpu_class() { return current().load(std::memory_order_relaxed); }

void set_cpu_class(CpuClass c) {
  if (c > best_cpu_class()) throw std::runtime_error(std::string("this CPU has no ") + name(c));
  current() = c;
}

bool cpu_has_bf16() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx512bf16");
  return has && cpu_class() == CpuClass::avx512;
#else
  return false;
#endif
}

}  // namespace autodidact
