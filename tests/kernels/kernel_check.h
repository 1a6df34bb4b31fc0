// check_kernel: runs one kernel call in f64, and in f32 and bf16 on every CPU class this machine
// has and with several thread counts, and holds the results against each other:
//  - guard zones around every output are intact, and every output, poisoned before, is written;
//  - any thread count gives the same bytes;
//  - error against f64 (from the same rounded inputs) at most twice that of the plain body, plus
//  one
//    rounding of the output (FlashAttention's rule: no tolerance is picked by hand).
#pragma once
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "kernels/types.h"
#include "tests/low_precision.h"

namespace autodidact::test {

using Values = std::vector<double>;

// Normal-looking numbers in (-3, 3), plus `shift`.
inline Values random_values(int64_t n, uint64_t key, double scale = 1, double shift = 0) {
  Values v(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    Philox4 r = philox(key, uint64_t(i), 0);
    double s = 0;
    for (uint32_t word : r.v) s += 1.5 * uniform(word) - 0.75;
    v[size_t(i)] = shift + scale * s;
  }
  return v;
}

template <class T>
T from_double(double v) {
  if constexpr (std::is_same_v<T, bf16>) return bf16(float(v));
  else return T(v);
}
template <class T>
double to_double(T v) {
  if constexpr (std::is_same_v<T, bf16>) return double(float(v));
  else return double(v);
}

// The memory of one kernel call. Inputs are copied; outputs lie between guard zones.
template <class T>
class Buffers {
 public:
  // The storage type whose rounding the inputs have had: T itself but for the f64 reference.
  explicit Buffers(bool through_bf16) : through_bf16_(through_bf16) {}

  const T* in(const Values& v) { return in_as<T>(v, through_bf16_); }
  const Acc<T>* in_acc(const Values& v) { return in_as<Acc<T>>(v, false); }
  template <class U>
  const U* in_exact(const std::vector<U>& v) {
    return copy<U>(v.size(), [&](size_t i) { return v[i]; });
  }
  T* out(int64_t n) { return out_as<T>(n); }
  // `terms`: the size of what is added up to make it, where that may be above the result's.
  Acc<T>* out_acc(int64_t n, double terms = 0) {
    Acc<T>* p = out_as<Acc<T>>(n);
    outputs_.back()->terms = terms;
    return p;
  }
  template <class U>
  U* out_as(int64_t n) {
    return output<U>(n, nullptr);
  }
  // An output that the kernel updates in place.
  Acc<T>* update_acc(const Values& v) {
    Acc<T>* p = output<Acc<T>>(int64_t(v.size()), nullptr);
    for (size_t i = 0; i < v.size(); ++i) p[i] = Acc<T>(float(v[i]));
    return p;
  }
  T* update(const Values& v) {
    T* p = output<T>(int64_t(v.size()), nullptr);
    for (size_t i = 0; i < v.size(); ++i)
      p[i] = from_double<T>(through_bf16_ ? to_double(bf16(float(v[i]))) : double(float(v[i])));
    return p;
  }

  struct Output {
    std::vector<unsigned char> bytes;  // guard, data, guard
    size_t count, size;
    bool integer, narrow;
    double terms = 0;
    double (*read)(const unsigned char*);
    const unsigned char* data() const { return bytes.data() + kGuard; }
    Values values() const {
      Values v(count);
      for (size_t i = 0; i < count; ++i) v[i] = read(data() + i * size);
      return v;
    }
    bool guards_intact() const {
      auto is_guard = [](unsigned char b) { return b == kGuardByte; };
      return std::all_of(bytes.begin(), bytes.begin() + kGuard, is_guard) &&
             std::all_of(bytes.end() - kGuard, bytes.end(), is_guard);
    }
  };
  const std::vector<std::unique_ptr<Output>>& outputs() const { return outputs_; }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr unsigned char kGuardByte = 0xA5;
  bool through_bf16_;
  std::vector<std::shared_ptr<void>> inputs_;
  std::vector<std::unique_ptr<Output>> outputs_;

  template <class U, class F>
  const U* copy(size_t n, F value) {
    // One element more than needed is not allocated: the address sanitizer guards inputs.
    std::shared_ptr<U[]> memory(new U[n]);
    for (size_t i = 0; i < n; ++i) memory[i] = value(i);
    inputs_.push_back(memory);
    return memory.get();
  }
  template <class U>
  const U* in_as(const Values& v, bool narrow) {
    return copy<U>(v.size(), [&](size_t i) {
      return from_double<U>(narrow ? to_double(bf16(float(v[i]))) : double(float(v[i])));
    });
  }
  template <class U>
  U* output(int64_t n, std::nullptr_t) {
    auto o = std::make_unique<Output>();
    o->count = size_t(n), o->size = sizeof(U);
    o->integer = std::is_integral_v<U>, o->narrow = std::is_same_v<U, bf16>;
    o->read = [](const unsigned char* p) {
      U u;
      memcpy(&u, p, sizeof(U));
      return to_double(u);
    };
    o->bytes.assign(2 * kGuard + size_t(n) * sizeof(U), kGuardByte);
    // 0xff bytes are a NaN in every floating type, and no label, index or pixel used here.
    memset(o->bytes.data() + kGuard, 0xff, size_t(n) * sizeof(U));
    outputs_.push_back(std::move(o));
    return reinterpret_cast<U*>(outputs_.back()->bytes.data() + kGuard);
  }
};

// Without avx512_bf16, which is avx512 but for matrix products (test_gemm.cpp, test_conv.cpp, and
// the ops' rows).
inline std::vector<CpuClass> classes_here() {
  std::vector<CpuClass> all;
  for (CpuClass c : {CpuClass::plain, CpuClass::avx2, CpuClass::avx512})
    if (cpu_has(c)) all.push_back(c);
  return all;
}

// Restores the class and the thread count at the end of a scope.
struct CpuState {
  CpuClass c = cpu_class();
  int threads = thread_count();
  ~CpuState() { set_cpu_class(c), set_thread_count(threads); }
};

inline double largest_error(const Values& a, const Values& reference) {
  double e = 0;
  for (size_t i = 0; i < a.size(); ++i)
    // Not <=: a NaN where the reference has a number must count.
    if (!(std::abs(a[i] - reference[i]) <= e) && !(std::isnan(a[i]) && std::isnan(reference[i])))
      e = std::abs(a[i] - reference[i]);
  return e;
}
inline double largest(const Values& a) {
  double m = 0;
  for (double v : a) m = std::max(m, std::abs(v));
  return m;
}

template <class T, class Kernel>
void check_kernel_as(const std::string& what, Kernel& kernel) {
  constexpr bool kNarrow = std::is_same_v<T, bf16>;
  CpuState restore;
  Buffers<double> reference(kNarrow);
  kernel(reference);
  std::vector<Values> exact;
  for (auto& o : reference.outputs()) {
    INFO(what << " in f64, output " << exact.size());
    CHECK(o->guards_intact());
    exact.push_back(o->values());
    for (double v : exact.back()) REQUIRE_FALSE(std::isnan(v));
  }
  std::vector<double> plain_error(exact.size());
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    std::unique_ptr<Buffers<T>> first;
    for (int threads : {1, 2, 3}) {
      set_thread_count(threads);
      auto b = std::make_unique<Buffers<T>>(kNarrow);
      kernel(*b);
      for (size_t k = 0; k < exact.size(); ++k) {
        auto& o = *b->outputs()[k];
        INFO(what << (kNarrow ? " bf16 " : " f32 ") << std::string(name(c)) << ", " << threads
                  << " threads, output " << k);
        CHECK(o.guards_intact());
        if (first) {
          CHECK(o.bytes == first->outputs()[k]->bytes);
          continue;
        }
        double error = largest_error(o.values(), exact[k]);
        if (c == CpuClass::plain) plain_error[k] = error;
        double most = std::max(largest(exact[k]), o.terms);
        CHECK(error <= (o.integer ? 0.0 : allowed_error(plain_error[k], most, o.narrow)));
        // The plain body itself: sums of at most millions of terms lose no more than half of the
        // digits.
        CHECK(plain_error[k] <= (o.integer ? 0.0 : (o.narrow ? 0x1p-7 : 0x1p-12) * most));
      }
      if (!first) first = std::move(b);
    }
  }
}

// `kernel` is a generic lambda over Buffers<T>.
template <class Kernel>
void check_kernel(const std::string& what, Kernel kernel) {
  check_kernel_as<float>(what, kernel);
  check_kernel_as<bf16>(what, kernel);
}

}  // namespace autodidact::test
