// Working memory of kernels: stack order, its end, what it holds, and what a queue without enough
// of it says.
#include <doctest/doctest.h>
#include <cmath>
#include "findings.h"
#include "kernels/device_scratch.h"

using namespace autodidact;

namespace {

alignas(256) unsigned char memory[8192];

__global__ void write_kernel(float* p, int i) { p[i] = 1; }

std::string message(Cuda queue, int64_t count) {
  try {
    DeviceScratch<float> scratch(queue, count);
  } catch (const std::runtime_error& e) { return e.what(); }
  return "";
}

}  // namespace

TEST_CASE("device scratch: what is taken last is given back first, and the peak is kept") {
  Workspace workspace{memory, sizeof memory};
  Cuda queue{nullptr, &workspace};
  DeviceScratch<float> first(queue, 3);
  float* again = nullptr;
  {
    DeviceScratch<double> second(queue, 100);
    again = reinterpret_cast<float*>(second.data());
    CHECK(reinterpret_cast<uintptr_t>(second.data()) % 256 == 0);
    CHECK(second.data() >= reinterpret_cast<double*>(first.data() + 3));
    CHECK(std::isnan(second.data()[99]));
  }
  size_t peak = workspace.high_water;
  CHECK(peak > workspace.used);
  DeviceScratch<float> third(queue, 1);
  CHECK(third.data() == again);
  CHECK(workspace.high_water == peak);
}

TEST_CASE("device scratch: a queue without enough of it says how much is needed") {
  Workspace workspace{memory, sizeof memory};
  CHECK(message({nullptr, &workspace}, 1000) == "");
  CHECK(message({nullptr, &workspace}, 2048) ==
        "scratch: the queue's workspace has 8192 bytes left of 8192, a kernel needs 8448; a "
        "smaller batch needs less");
  CHECK(message({}, 1) ==
        "scratch: the queue's workspace has 0 bytes left of 0, a kernel needs 512; a smaller batch "
        "needs less");
  CHECK(message({}, 0) == "");
  CHECK(workspace.used == 0);
}

TEST_CASE("device scratch: an access behind its end is found" *
          doctest::skip(!emulator::watches_memory())) {
  Workspace workspace{memory, sizeof memory};
  Cuda queue{nullptr, &workspace};
  DeviceScratch<float> scratch(queue, 5);
  for (uint64_t seed : kSchedules) {
    CHECK(findings(seed, [&] { launch(queue, 1, 1, 0, write_kernel, scratch.data(), 4); }) == "");
    CHECK(has(findings(seed, [&] { launch(queue, 1, 1, 0, write_kernel, scratch.data(), 5); }),
              "outside of a buffer"));
  }
}
