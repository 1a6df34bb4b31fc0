// What can be measured: a kernel, the shapes it is measured at, and one call of it with the work
// that its definition asks for. One table, a family a file, serves `autodidact bench` and the
// Google Benchmark program.
#pragma once
#include <algorithm>
#include <functional>
#include <initializer_list>
#include <string>
#include <tuple>
#include <utility>
#include <vector>
#include "engine/dispatch.h"

namespace autodidact {

inline constexpr uint64_t kBenchSeed = 1;  // of the numbers in the arrays

// Sizes by key, in the kernel's order: M=1024,N=1024,K=1024.
struct BenchShape {
  std::vector<std::pair<std::string, int>> sizes;

  BenchShape(std::initializer_list<std::pair<std::string, int>> s) : sizes(s) {}
  int operator[](const std::string& key) const;  // a key it has
  int64_t product(std::initializer_list<const char*> keys) const;
  std::string text() const;
};

// One call of a kernel, on the device where its arrays are; it holds them. A kernel is bound by
// arithmetic or by memory, whichever takes longer at the machine's ceilings.
struct BenchWork {
  std::function<void()> run;
  double flop = 0;   // 2 a multiply-add of the direct sum; 0: nothing but memory counts
  double bytes = 0;  // each array once; a statistic needs its input twice
};

struct BenchKernel {
  std::string name, what;
  std::vector<BenchShape> shapes;  // the first is the reference
  BenchWork (*f32)(const BenchShape&, Device);
  BenchWork (*bf16)(const BenchShape&, Device) = nullptr;  // null: the kernel has no such body
};

// The kernels in the order of a report. ErrorKind::usage from a case: a shape it cannot have.
std::vector<BenchKernel> bench_kernels();

// Arrays of a case, in the memory of a device: kernels get bare pointers.
class BenchMemory {
 public:
  explicit BenchMemory(Device device) : device_(device) {}
  template <class T>  // a copy of these
  T* of(const std::vector<T>& values) {
    return static_cast<T*>(add(values.data(), int64_t(values.size()), sizeof(T)));
  }
  template <class T>  // float or bf16, uniform in [-1, 1)
  T* numbers(int64_t count) {
    return of(drawn<T>(count));
  }
  template <class T>
  T* filled(int64_t count, T value) {
    refuse_large(count, sizeof(T));
    return of(std::vector<T>(size_t(count), value));
  }
  template <class T>
  std::vector<T> drawn(int64_t count) {
    refuse_large(count, sizeof(T));
    std::vector<T> values(static_cast<size_t>(count));
    draw(values.data(), count);
    return values;
  }
  // A call of these kernels, one after another. Some exist on one device alone.
  template <class... Kernels>
  BenchWork work(std::tuple<Kernels...> kernels, double flop, double bytes) const {
    auto call = [](auto queue, const auto& kernel) {
      if constexpr (requires { run(queue, kernel); }) run(queue, kernel);
      else fail(ErrorKind::device, "bench: a kernel without a body for this device");
    };
    return {[kernels, call, keep = arrays_] {
              on_device(keep.front(), [&](auto queue) {
                std::apply([&](const auto&... kernel) { (call(queue, kernel), ...); }, kernels);
              });
            },
            flop, bytes};
  }
  template <class Kernel>
  BenchWork work(Kernel kernel, double flop, double bytes) const {
    return work(std::tuple(kernel), flop, bytes);
  }

 private:
  void refuse_large(int64_t count, size_t size) const;
  void* add(const void* values, int64_t count, size_t size);
  void draw(float* p, int64_t count);
  void draw(bf16* p, int64_t count);

  Device device_;
  std::vector<Tensor> arrays_;
  int64_t bytes_ = 0;
  uint64_t drawn_ = 0;
};

// The families. A kernel is a row in one of them.
std::vector<BenchKernel> gemm_benches();
std::vector<BenchKernel> conv_benches();
std::vector<BenchKernel> norm_benches();
std::vector<BenchKernel> softmax_benches();
std::vector<BenchKernel> infonce_benches();
std::vector<BenchKernel> pool_benches();
std::vector<BenchKernel> elementwise_benches();
std::vector<BenchKernel> augment_benches();
std::vector<BenchKernel> token_benches();
std::vector<BenchKernel> optimizer_benches();

}  // namespace autodidact
