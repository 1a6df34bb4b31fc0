// What can be measured: a kernel, the shapes it is measured at, and one call of it with the work
// that its definition asks for. One table, a family a file, serves `autodidact bench` and the
// Google Benchmark program.
#pragma once
#include <algorithm>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>
#include "engine/tensor.h"

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

// One call of a kernel; holds its arrays. A kernel is bound by arithmetic or by memory, whichever
// takes longer at the machine's ceilings.
struct BenchWork {
  std::function<void()> run;
  double flop = 0;   // 2 a multiply-add of the direct sum; 0: nothing but memory counts
  double bytes = 0;  // each array once; a statistic needs its input twice
};

struct BenchKernel {
  std::string name, what;
  std::vector<BenchShape> shapes;  // the first is the reference
  BenchWork (*f32)(const BenchShape&);
  BenchWork (*bf16)(const BenchShape&) = nullptr;  // null: the kernel has no such body
};

// The kernels in the order of a report. ErrorKind::usage from a case: a shape it cannot have.
std::vector<BenchKernel> bench_kernels();

// Arrays of a case. Handles: a copy shares them.
class BenchMemory {
 public:
  template <class T>  // float or bf16, uniform in [-1, 1)
  T* numbers(int64_t count) {
    T* p = room<T>(count);
    draw(p, count);
    return p;
  }
  template <class T>
  T* filled(int64_t count, T value) {
    T* p = room<T>(count);
    std::fill_n(p, count, value);
    return p;
  }
  template <class Kernel>
  BenchWork work(Kernel kernel, double flop, double bytes) const {
    return {[kernel, keep = arrays_] { run(Cpu{}, kernel); }, flop, bytes};
  }

 private:
  template <class T>
  T* room(int64_t count) {
    return ptr<T>(add(count, dtype_of<T>));
  }
  Tensor& add(int64_t count, Dtype dtype);
  void draw(float* p, int64_t count);
  void draw(bf16* p, int64_t count);

  std::vector<Tensor> arrays_;
  int64_t bytes_ = 0;
  uint64_t drawn_ = 0;
};

// The families. A kernel is a row in one of them.
std::vector<BenchKernel> gemm_cases();
std::vector<BenchKernel> conv_cases();
std::vector<BenchKernel> norm_cases();
std::vector<BenchKernel> softmax_cases();
std::vector<BenchKernel> infonce_cases();
std::vector<BenchKernel> pool_cases();
std::vector<BenchKernel> elementwise_cases();
std::vector<BenchKernel> augment_cases();
std::vector<BenchKernel> optimizer_cases();

}  // namespace autodidact
