// The rows of bench/cases on the device: that each hands its kernel memory of the device, and that
// the ceilings compute what they say.
#include <cmath>
#include "bench/cases/case.h"
#include "bench/cases/device_ceilings.h"
#include "device_test.h"

using namespace autodidact;

TEST_CASE("device bench: every kernel runs on the device, at its smallest shape") {
  for (const BenchKernel& kernel : bench_kernels()) {
    if (kernel.name == "augment_chain") continue;  // of the CPU alone
    BenchShape shape = kernel.shapes.front();
    for (auto& [key, size] : shape.sizes) size = key == "TA" || key == "TB" || key == "P" ? 0 : 1;
    for (auto prepare : {kernel.f32, kernel.bf16}) {
      if (!prepare) continue;
      CAPTURE(kernel.name);
      const BenchWork work = prepare(shape, Device::cuda);
      CHECK_NOTHROW(work.run());
      CHECK_NOTHROW(synchronize(Device::cuda));
    }
  }
}

TEST_CASE("device bench: ceilings") {
  BenchMemory memory(Device::cuda);
  auto value = [](const float* p) {
    float host = 0;
    transfer(&host, Device::cpu, p, Device::cuda, sizeof host);
    return host;
  };
  std::vector<float> ones(8, 1), twos(8, 2);
  const Triad triad{memory.filled<float>(8, 0), memory.of(ones), memory.of(twos), 8};
  run(cuda_queue(), triad);
  CHECK(value(triad.c + 7) == 7);
  float* sums = memory.filled<float>(kCeilingThreads, 0);
  run(cuda_queue(), FmaChains{sums, 1, 2});
  float expected = 0;
  for (int c = 0; c < kCeilingChains; ++c) {
    float chain = float(3 + c);
    for (int round = 0; round < 2; ++round) chain = std::fma(chain, 0.999f, 0.001f);
    expected += chain;
  }
  CHECK(value(sums + 3) == expected);
  run(cuda_queue(), MmaChains{sums, 1, 3});
  CHECK(std::isfinite(value(sums + 31)));
}
