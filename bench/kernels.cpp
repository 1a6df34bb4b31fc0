// Every kernel of bench/cases at every shape, beside the machine's ceilings: FLOP/s counts 2
// operations a multiply-add of the direct sum, bytes each array once. BENCH_THREADS sets the
// threads; with one, process CPU time (the CPU column) is the honest clock of a shared machine.
// `autodidact bench` measures one shape, cold and warm, by wall time.
#include <cstdlib>
#include "bench/ceilings.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"

int main(int argc, char** argv) {
  using namespace autodidact;
  if (const char* threads = std::getenv("BENCH_THREADS")) set_thread_count(std::atoi(threads));
  benchmark::AddCustomContext("class", name(cpu_class()));
  benchmark::AddCustomContext("threads", std::to_string(thread_count()));
  benchmark::Initialize(&argc, argv);
  register_ceilings();
  for (const BenchKernel& kernel : bench_kernels())
    for (const BenchShape& shape : kernel.shapes)
      for (auto [dtype, prepare] : {std::pair{"f32", kernel.f32}, {"bf16", kernel.bf16}})
        if (prepare)
          benchmark::RegisterBenchmark((kernel.name + "/" + dtype + "/" + shape.text()).c_str(),
                                       [prepare = prepare, shape](benchmark::State& s) {
                                         measure(s, prepare(shape, Device::cpu));
                                       })
              ->MeasureProcessCPUTime();
  benchmark::RunSpecifiedBenchmarks();
}
