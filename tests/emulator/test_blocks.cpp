// Blocks: indices, barriers, shared memory, atomics, what a launch may ask for.
#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <vector>
#include "findings.h"
#include "kernels/platform.h"
#include "kernels/reduce.h"

using namespace autodidact;

namespace {

struct Where {
  uint3 thread, block;
};
__global__ void where_kernel(Where* y) {
  unsigned b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  y[b * blockDim.x * blockDim.y * blockDim.z + t] = {threadIdx, blockIdx};
}

__global__ void sums_kernel(float* y, const float* x) {
  auto& memory = shared<RowMemory<float>>();
  float v = x[blockIdx.x * blockDim.x + threadIdx.x];
  float sum = row_sum(v, memory), squares = row_sum(v * v, memory);
  if (threadIdx.x == 0) y[2 * blockIdx.x] = sum, y[2 * blockIdx.x + 1] = squares;
}

__global__ void votes_of_block_kernel(int* y) {
  int t = int(threadIdx.x);
  int count = __syncthreads_count(t % 3 == 0), any = __syncthreads_or(t == 7),
      all = __syncthreads_and(t < 99);
  y[3 * t] = count, y[3 * t + 1] = any, y[3 * t + 2] = all;
}

struct Counts {
  int *count, *most, *least, *bits;
  unsigned long long* big;
  float* sum;
  int *swapped, *old;  // old: [threads]
};
__global__ void atomics_kernel(Counts p) {
  int t = int(blockIdx.x * blockDim.x + threadIdx.x);
  p.old[t] = atomicAdd(p.count, 1);
  atomicMax(p.most, t);
  atomicMin(p.least, t);
  atomicOr(p.bits, 1 << (t % 8));
  atomicAdd(p.big, 1ull << 33);
  atomicAdd(p.sum, 0.5f);
  atomicCAS(p.swapped, 0, 1);
}

constexpr int kMostFloats = (99 << 10) / 4;
struct Whole {
  float v[kMostFloats];
};
__global__ void whole_shared_kernel(float* y) {
  auto& memory = shared<Whole>();
  for (int i = int(threadIdx.x); i < kMostFloats; i += int(blockDim.x)) memory.v[i] = float(i);
  __syncthreads();
  if (threadIdx.x == 0) y[0] = memory.v[kMostFloats - 1];
}
__global__ void nothing_kernel() {}
__global__ void large_shared_kernel() { shared<float[64]>()[0] = 1; }

enum class Barrier { one_missing, two_lines, two_kinds };
__global__ void wrong_barrier_kernel(Barrier wrong) {
  if (wrong == Barrier::one_missing) {
    if (threadIdx.x == 40) return;
    __syncthreads();
  } else if (wrong == Barrier::two_lines) {
    if (threadIdx.x < 32) __syncthreads();
    else __syncthreads();
  } else if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads_or(1);
  }
}

}  // namespace

TEST_CASE("emulator: each thread of each block runs once and knows its place") {
  dim3 grid(3, 2, 2), block(5, 4, 3);
  for (uint64_t seed : kSchedules) {
    emulator::set_schedule(seed);
    std::vector<Where> y(12 * 60);
    launch(Cuda{}, grid, block, 0, where_kernel, y.data());
    for (unsigned i = 0; i < y.size(); ++i) {
      unsigned b = i / 60, t = i % 60;
      REQUIRE(y[i].thread.x == t % 5);
      REQUIRE(y[i].thread.y == t / 5 % 4);
      REQUIRE(y[i].thread.z == t / 20);
      REQUIRE(y[i].block.x == b % 3);
      REQUIRE(y[i].block.y == b / 3 % 2);
      REQUIRE(y[i].block.z == b / 6);
    }
  }
}

TEST_CASE("emulator: row_sum of every block size, the same bytes under every schedule") {
  for (unsigned threads : {32u, 64u, 96u, 256u, 1024u}) {
    std::vector<float> x(3 * threads), first;
    for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(float(i));
    for (uint64_t seed : kSchedules) {
      emulator::set_schedule(seed);
      std::vector<float> y(6);
      launch(Cuda{}, 3, threads, sizeof(RowMemory<float>), sums_kernel, y.data(), x.data());
      for (unsigned b = 0; b < 3; ++b) {
        double sum = 0, squares = 0;
        for (unsigned t = 0; t < threads; ++t) {
          double v = x[b * threads + t];
          sum += v, squares += v * v;
        }
        // A tree of depth log2(n) rounds each partial sum that often; |v| <= 1.
        double bound = std::log2(2.0 * threads) * threads * std::ldexp(1.0, -24);
        CHECK(std::fabs(y[2 * b] - sum) <= bound);
        CHECK(std::fabs(y[2 * b + 1] - squares) <= bound);
      }
      if (first.empty()) first = y;
      CHECK(std::memcmp(first.data(), y.data(), sizeof(float) * y.size()) == 0);
    }
  }
}

TEST_CASE("emulator: votes of a block") {
  std::vector<int> y(3 * 100);
  for (uint64_t seed : kSchedules) {
    emulator::set_schedule(seed);
    launch(Cuda{}, 1, 100, 0, votes_of_block_kernel, y.data());
    for (int t = 0; t < 100; ++t) {
      REQUIRE(y[3 * t] == 34);
      REQUIRE(y[3 * t + 1] == 1);
      REQUIRE(y[3 * t + 2] == 0);
    }
  }
}

TEST_CASE("emulator: atomics from all blocks add up, and each old value is given once") {
  for (uint64_t seed : kSchedules) {
    emulator::set_schedule(seed);
    int count = 0, most = -1, least = 1000, bits = 0, swapped = 0;
    unsigned long long big = 0;
    float sum = 0;
    std::vector<int> old(5 * 50), seen(5 * 50);
    launch(Cuda{}, 5, 50, 0, atomics_kernel,
           Counts{&count, &most, &least, &bits, &big, &sum, &swapped, old.data()});
    CHECK(count == 250);
    CHECK(most == 249);
    CHECK(least == 0);
    CHECK(bits == 255);
    CHECK(big == 250ull << 33);
    CHECK(sum == 125.0f);
    CHECK(swapped == 1);
    for (int v : old) ++seen[size_t(v)];
    for (int n : seen) REQUIRE(n == 1);
  }
}

TEST_CASE("emulator: what a launch may not ask for") {
  auto launching = [](dim3 grid, dim3 block, size_t bytes) {
    return findings(0, [&] { launch(Cuda{}, grid, block, bytes, nothing_kernel); });
  };
  CHECK(launching(1, 1024, 99 << 10) == "");
  CHECK(has(launching(0, 32, 0), "nothing_kernel: a grid must be 1 to"));
  CHECK(has(launching(dim3(1, 65536), 32, 0), "got 1 x 65536 x 1"));
  CHECK(has(launching(1, 0, 0), "a block must have 1 to 1024 threads"));
  CHECK(has(launching(1, dim3(512, 3), 0), "got 512 x 3 x 1"));
  CHECK(has(launching(1, 32, (99 << 10) + 1), "shared memory must be at most 101376 bytes"));
  CHECK(has(findings(0, [] { launch(Cuda{}, 1, 1, 255, large_shared_kernel); }),
            "shared<T>() needs 256 bytes, the launch gave 255"));
  float y = 0;
  launch(Cuda{}, 1, 64, sizeof(Whole), whole_shared_kernel, &y);
  CHECK(y == float(kMostFloats - 1));
}

TEST_CASE("emulator: a barrier that not all threads reach is named, and the next launch runs") {
  for (uint64_t seed : kSchedules) {
    auto with = [&](Barrier b) {
      return findings(seed, [&] { launch(Cuda{}, 1, 64, 0, wrong_barrier_kernel, b); });
    };
    std::string text = with(Barrier::one_missing);
    CHECK(has(text, "wrong_barrier_kernel: block (0,0,0): a barrier that not all threads reach"));
    CHECK(has(text,
              "threads 0-39, 41-63 wait for the block at __syncthreads, "
              "tests/emulator/test_blocks.cpp:"));
    CHECK(has(text, "thread 40 left the kernel"));
    text = with(Barrier::two_lines);
    CHECK(has(text, "threads wait at different barriers"));
    CHECK(has(text, "threads 0-31 wait for the block at __syncthreads"));
    CHECK(has(text, "threads 32-63 wait for the block at __syncthreads"));
    CHECK(has(with(Barrier::two_kinds), "wait for the block at __syncthreads_or"));
    std::vector<int> y(300);
    launch(Cuda{}, 1, 100, 0, votes_of_block_kernel, y.data());
    CHECK(y[0] == 34);
  }
}
