// GEMM and convolution at the shapes our networks train with, batch 128 (ResNet-18 for CIFAR,
// ResNet-26 with 16, 32, 64 channels, stems and strided layers), beside the machine's ceilings.
// FLOP/s counts 2 operations a multiply-add of the direct sum. BENCH_THREADS sets the threads;
// with one, process CPU time (the CPU column) is the honest clock of a shared machine.
#include <cstdlib>
#include <string>
#include "bench/ceilings.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"

namespace autodidact {
namespace {

std::vector<float> numbers(int64_t count) {
  std::vector<float> v(static_cast<size_t>(count));
  for (size_t i = 0; i < v.size(); ++i) v[i] = float(i % 17) / 17 - 0.4f;
  return v;
}
template <class T>
std::vector<T> as(const std::vector<float>& from) {
  std::vector<T> to;
  for (float f : from) to.push_back(T(f));
  return to;
}

template <class T>
void conv(benchmark::State& state, const ConvSizes& s, const char* pass) {
  const int64_t pixels = int64_t(s.n) * s.out_h() * s.out_w();
  auto x = as<T>(numbers(int64_t(s.n) * s.h * s.w * s.c_in));
  auto w = as<T>(numbers(int64_t(s.c_out) * s.kh * s.kw * s.c_in));
  auto y = as<T>(numbers(pixels * s.c_out)), dx = x;
  std::vector<Acc<T>> dw(w.size());
  for (auto _ : state) {
    if (*pass == 'f') run(Cpu(), ConvForward<T>{y.data(), x.data(), w.data(), nullptr, s});
    if (*pass == 'd') run(Cpu(), ConvBackwardData<T>{dx.data(), y.data(), w.data(), s});
    if (*pass == 'w') run(Cpu(), ConvBackwardWeights<T>{dw.data(), nullptr, y.data(), x.data(), s});
  }
  state.counters["FLOP/s"] =
      benchmark::Counter(2.0 * double(pixels) * s.c_out * s.kh * s.kw * s.c_in,
                         benchmark::Counter::kIsIterationInvariantRate);
}

struct Product {
  int m, n, k;
  bool transpose_a, transpose_b;
  int batch;
};

template <class T>
void gemm(benchmark::State& state, const Product& p) {
  auto a = as<T>(numbers(int64_t(p.batch) * p.m * p.k));
  auto b = as<T>(numbers(int64_t(p.batch) * p.n * p.k));
  std::vector<T> c(size_t(p.batch) * size_t(p.m) * size_t(p.n));
  for (auto _ : state)
    run(Cpu(), Gemm<T>{.c = c.data(),
                       .a = a.data(),
                       .b = b.data(),
                       .m = p.m,
                       .n = p.n,
                       .k = p.k,
                       .lda = p.transpose_a ? p.m : p.k,
                       .ldb = p.transpose_b ? p.k : p.n,
                       .ldc = p.n,
                       .transpose_a = p.transpose_a,
                       .transpose_b = p.transpose_b,
                       .batch = p.batch,
                       .stride_a = int64_t(p.m) * p.k,
                       .stride_b = int64_t(p.n) * p.k,
                       .stride_c = int64_t(p.m) * p.n});
  state.counters["FLOP/s"] = benchmark::Counter(2.0 * p.batch * p.m * double(p.n) * p.k,
                                                benchmark::Counter::kIsIterationInvariantRate);
}

void register_all() {
  register_ceilings();
  const ConvSizes shapes[] = {
      {128, 32, 32, 64, 64, 3, 3, 1, 1},  {128, 16, 16, 128, 128, 3, 3, 1, 1},
      {128, 8, 8, 256, 256, 3, 3, 1, 1},  {128, 4, 4, 512, 512, 3, 3, 1, 1},
      {128, 32, 32, 64, 128, 3, 3, 2, 1}, {128, 32, 32, 64, 128, 1, 1, 2, 0},
      {128, 32, 32, 3, 64, 3, 3, 1, 1},   {128, 32, 32, 3, 16, 3, 3, 1, 1},
      {128, 32, 32, 16, 16, 3, 3, 1, 1},  {128, 16, 16, 32, 32, 3, 3, 1, 1},
      {128, 8, 8, 64, 64, 3, 3, 1, 1},    {128, 32, 32, 16, 32, 3, 3, 2, 1},
      {8, 224, 224, 3, 64, 7, 7, 2, 3},
  };
  for (const ConvSizes& s : shapes)
    for (const char* pass : {"forward", "data", "weights"}) {
      const std::string name = "conv/" + std::to_string(s.c_in) + "-" + std::to_string(s.c_out) +
                               "@" + std::to_string(s.h) + "k" + std::to_string(s.kh) + "s" +
                               std::to_string(s.stride) + "/" + pass;
      benchmark::RegisterBenchmark((name + "/f32").c_str(), conv<float>, s, pass)
          ->MeasureProcessCPUTime();
      benchmark::RegisterBenchmark((name + "/bf16").c_str(), conv<bf16>, s, pass)
          ->MeasureProcessCPUTime();
    }
  const Product products[] = {
      {1024, 1024, 1024, false, false, 1}, {1024, 1024, 1024, false, true, 1},
      {1024, 1024, 1024, true, false, 1},  {16384, 768, 192, false, true, 1},
      {16384, 192, 768, false, false, 1},  {192, 768, 16384, true, false, 1},
      {256, 65536, 128, false, true, 1},   {65, 65, 64, false, true, 384},
      {65, 64, 65, false, false, 384},     {128, 10, 512, false, true, 1},
  };
  for (const Product& p : products) {
    const std::string name = "gemm/" + std::to_string(p.batch) + "x" + std::to_string(p.m) + "x" +
                             std::to_string(p.n) + "x" + std::to_string(p.k) +
                             (p.transpose_a ? "/t" : "/n") + (p.transpose_b ? "t" : "n");
    benchmark::RegisterBenchmark((name + "/f32").c_str(), gemm<float>, p)->MeasureProcessCPUTime();
    benchmark::RegisterBenchmark((name + "/bf16").c_str(), gemm<bf16>, p)->MeasureProcessCPUTime();
  }
}

}  // namespace
}  // namespace autodidact

int main(int argc, char** argv) {
  if (const char* threads = std::getenv("BENCH_THREADS"))
    autodidact::set_thread_count(std::atoi(threads));
  benchmark::AddCustomContext("class", name(autodidact::cpu_class()));
  benchmark::AddCustomContext("threads", std::to_string(autodidact::thread_count()));
  benchmark::Initialize(&argc, argv);
  autodidact::register_all();
  benchmark::RunSpecifiedBenchmarks();
}
