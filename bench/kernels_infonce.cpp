// InfoNCE over a queue, forward and dq, beside the machine's ceilings: rows of length 1, rows of
// any length (the maximum is followed), and bf16 storage. FLOP/s counts 4 batch keys dim.
// BENCH_THREADS sets the threads; with one, process CPU time (the CPU column) is the honest clock
// of a shared machine.
#include <cmath>
#include <cstdlib>
#include <string>
#include "bench/ceilings.h"
#include "kernels/infonce.h"

namespace autodidact {
namespace {

template <class T>
std::vector<T> unit_rows(int rows, int dim) {
  std::vector<T> v(size_t(rows) * size_t(dim));
  for (size_t i = 0; i < v.size(); ++i)
    v[i] = T(float(std::sin(double(i) * 1.7) * std::sqrt(2.0 / dim)));
  return v;
}

template <class T>
void infonce(benchmark::State& state, int keys, int dim, bool unit) {
  constexpr int kBatch = 256;
  auto q = unit_rows<T>(kBatch, dim), queue = unit_rows<T>(keys, dim);
  float loss;
  std::vector<float> dq(q.size());
  const InfoNce<T> p{.loss = &loss,
                     .row_loss = nullptr,
                     .lse = nullptr,
                     .rank = nullptr,
                     .dq = dq.data(),
                     .q = q.data(),
                     .k = queue.data(),
                     .queue = queue.data(),
                     .batch = kBatch,
                     .keys = keys,
                     .dim = dim,
                     .temperature = 0.07f,
                     .unit = unit};
  for (auto _ : state) run(Cpu(), p);
  state.counters["FLOP/s"] = benchmark::Counter(4.0 * kBatch * keys * double(dim),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

void register_all() {
  register_ceilings();
  for (auto [keys, dim] : {std::pair{4096, 128}, {65536, 128}, {60000, 512}, {65536, 100}}) {
    const std::string name = "infonce/" + std::to_string(keys) + "x" + std::to_string(dim);
    auto add = [&, k = keys, d = dim](const char* what, auto body, bool unit) {
      benchmark::RegisterBenchmark((name + what).c_str(), body, k, d, unit)
          ->MeasureProcessCPUTime();
    };
    add("/f32", infonce<float>, true);
    add("/f32/any", infonce<float>, false);
    add("/bf16", infonce<bf16>, true);
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
