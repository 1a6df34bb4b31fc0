// check_device: one kernel call on the CPU and on emulated CUDA, f32 and bf16.
//  - every buffer, inputs too, lies between zones that the kernel may not touch;
//  - outputs are poisoned before the call and all written;
//  - four schedules, a fair one and three unfair, give the same bytes;
//  - the error against f64 is at most twice that of the CPU's plain body, plus one rounding of the
//    output (the rule of tests/kernels/kernel_check.h).
#pragma once
#include "findings.h"
#include "kernels/device_scratch.h"
#include "tests/kernels/kernel_check.h"

namespace autodidact::test {

// Buffers of which the emulator knows where they end.
template <class T>
class DeviceBuffers : public Buffers<T> {
 public:
  using Buffers<T>::Buffers;
  ~DeviceBuffers() {
    for (const void* zone : zones_) emulator::permit(zone);
  }
  const T* in(const Values& v) { return between_zones(Buffers<T>::in(v), v.size()); }
  const Acc<T>* in_acc(const Values& v) { return between_zones(Buffers<T>::in_acc(v), v.size()); }
  template <class U>
  const U* in_exact(const std::vector<U>& v) {
    return between_zones(Buffers<T>::in_exact(v), v.size());
  }
  T* out(int64_t n) { return known(Buffers<T>::out(n)); }
  Acc<T>* out_acc(int64_t n, double terms = 0) { return known(Buffers<T>::out_acc(n, terms)); }
  template <class U>
  U* out_as(int64_t n) {
    return known(Buffers<T>::template out_as<U>(n));
  }
  T* update(const Values& v) { return known(Buffers<T>::update(v)); }
  Acc<T>* update_acc(const Values& v) { return known(Buffers<T>::update_acc(v)); }

 private:
  static constexpr size_t kZone = 256;
  std::vector<const void*> zones_;
  std::vector<std::vector<unsigned char>> inputs_;

  void forbid(const void* p, size_t bytes) {
    emulator::forbid(p, bytes);
    zones_.push_back(p);
  }
  template <class U>
  const U* between_zones(const U* values, size_t n) {
    std::vector<unsigned char>& m = inputs_.emplace_back(2 * kZone + n * sizeof(U));
    memcpy(m.data() + kZone, values, n * sizeof(U));
    forbid(m.data(), kZone);
    forbid(m.data() + kZone + n * sizeof(U), kZone);
    return reinterpret_cast<const U*>(m.data() + kZone);
  }
  template <class U>
  U* known(U* output) {
    auto& o = *this->outputs().back();
    size_t guard = size_t(o.data() - o.bytes.data()), size = o.count * o.size;
    forbid(o.bytes.data(), guard);
    forbid(o.data() + size, o.bytes.size() - guard - size);
    return output;
  }
};

// A queue with a workspace, which every piece of working memory must have left.
inline Cuda device_queue() {
  alignas(256) static unsigned char memory[4 << 20];
  static Workspace workspace{memory, sizeof memory};
  REQUIRE(workspace.used == 0);
  return {nullptr, &workspace};
}

// What was wrong with a kernel call on the device; empty where nothing was.
struct Verdict {
  std::string findings;         // the emulator's, of the first schedule that has some
  int schedules_that_find = 0;  // of four
  bool guards = false;          // something outside of an output was written
  bool schedules = false;       // two schedules, two results
  bool values = false;          // further from f64 than the rule allows
  double error = 0, bound = 0;
  bool good() const { return findings.empty() && !guards && !schedules && !values; }
};

// `kernel(queue, buffers)` on Cpu in f64 and plain f32 or bf16; `device(queue, buffers)` on Cuda.
template <class T, class Kernel, class Device>
Verdict judge_device(Kernel& kernel, Device& device) {
  constexpr bool kNarrow = std::is_same_v<T, bf16>;
  CpuState restore;
  set_cpu_class(CpuClass::plain);
  Buffers<double> exact(kNarrow);
  kernel(Cpu{}, exact);
  Buffers<T> plain(kNarrow);
  kernel(Cpu{}, plain);

  Verdict v;
  std::unique_ptr<DeviceBuffers<T>> first;
  for (uint64_t seed : kSchedules) {
    auto b = std::make_unique<DeviceBuffers<T>>(kNarrow);
    std::string text = findings(seed, [&] { device(device_queue(), *b); });
    if (v.findings.empty()) v.findings = text;
    v.schedules_that_find += !text.empty();
    if (!text.empty()) continue;  // the launch was broken off
    for (size_t k = 0; k < b->outputs().size(); ++k) {
      auto& o = *b->outputs()[k];
      v.guards |= !o.guards_intact();
      if (first) {
        v.schedules |= o.bytes != first->outputs()[k]->bytes;
        continue;
      }
      Values reference = exact.outputs()[k]->values();
      double error = largest_error(o.values(), reference);
      double rounding = (o.narrow ? 0x1p-8 : 0x1p-23) * std::max(largest(reference), o.terms);
      double plain_error = largest_error(plain.outputs()[k]->values(), reference);
      double bound = o.integer ? 0.0 : 2 * plain_error + rounding;
      if (!(error <= bound)) v.values = true, v.error = error, v.bound = bound;
    }
    if (!first) first = std::move(b);
  }
  return v;
}

template <class T, class Kernel>
void check_device_as(const std::string& what, Kernel& kernel) {
  Verdict v = judge_device<T>(kernel, kernel);
  INFO(what << (std::is_same_v<T, bf16> ? ", bf16: " : ", f32: ") << v.findings);
  CHECK(v.findings == "");
  CHECK_FALSE(v.guards);
  CHECK_FALSE(v.schedules);
  CAPTURE(v.error);
  CAPTURE(v.bound);
  CHECK_FALSE(v.values);
}
// `kernel` is a generic lambda over a queue and buffers of any T.
template <class Kernel>
void check_device(const std::string& what, Kernel kernel) {
  check_device_as<float>(what, kernel);
  check_device_as<bf16>(what, kernel);
}

}  // namespace autodidact::test
