// Races, bounds and unwritten shared memory: found with the lines, under fair and unfair turns.
#include <doctest/doctest.h>
#include <cmath>
#include <vector>
#include "findings.h"
#include "kernels/platform.h"
#include "kernels/types.h"

using namespace autodidact;

namespace {

struct Row {
  float v[64];
};

// Each thread reads what its neighbour, `distance` further, wrote.
enum class Sync { none, block, warp, shuffle, half_warps };
__global__ void neighbour_kernel(float* y, int distance, Sync sync) {
  auto& row = shared<Row>();
  int t = int(threadIdx.x);
  row.v[t] = float(t);  // kWriteLine
  if (sync == Sync::block) __syncthreads();
  if (sync == Sync::warp) __syncwarp();
  if (sync == Sync::shuffle) __shfl_sync(~0u, 1, 0);
  if (sync == Sync::half_warps) __syncwarp(t % 32 < 16 ? 0xffffu : 0xffff0000u);
  y[t] = row.v[t ^ distance];  // kReadLine
}
constexpr int kReadLine = __LINE__ - 2, kWriteLine = kReadLine - 5;

// Lane 0 writes; 0 and 1 synchronise, then 1 and 2: the order passes on from 0 to 2.
__global__ void chain_kernel(float* y, bool complete) {
  auto& row = shared<Row>();
  int lane = int(threadIdx.x);
  if (lane == 0) row.v[0] = 7;
  if (lane < 2 && complete) __syncwarp(3);
  if (lane == 1 || lane == 2) __syncwarp(6);
  if (lane == 2) y[0] = row.v[0];
}

enum class Update { none, plain_read, plain_write, atomic };
__global__ void counter_kernel(int* count, int* y, Update second, bool barrier) {
  int t = int(threadIdx.x);
  if (t < 32) atomicAdd(count, 1);
  if (barrier) __syncthreads();
  if (t != 32) return;
  if (second == Update::plain_read) y[0] = *count;
  if (second == Update::plain_write) *count = 5;
  if (second == Update::atomic) atomicAdd(count, 1);
}

__global__ void all_read_one_writes_kernel(float* x, float* y, int writer, bool barrier) {
  int t = int(threadIdx.x);
  y[t] = x[0];
  if (barrier) __syncthreads();
  if (t == writer) x[0] = 3;
}

template <class T>
__global__ void overlap_kernel(T* y, int stride, int width) {  // block b writes [b stride, + width)
  for (int i = 0; i < width; ++i) y[int(blockIdx.x) * stride + i] = T(1.0f);
}
__global__ void read_of_other_block_kernel(float* y, float* x) {
  if (blockIdx.x == 0) x[0] = 2;
  if (blockIdx.x == 2) y[0] = x[0];
}

__global__ void unwritten_kernel(float* y) {
  auto& row = shared<Row>();
  if (threadIdx.x != 3) row.v[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = row.v[threadIdx.x];
}
__global__ void beyond_shared_kernel(int index) { shared<Row>().v[index] = 1; }
__global__ void beyond_buffer_kernel(float* y, const float* x, int read, int write) {
  y[write] = x[read];
}

struct Block16 {
  float v[16];
};
__global__ void struct_copy_kernel(Block16* y, const Block16* x) {
  y[threadIdx.x] = x[0];  // compilers make this a block copy
  __syncthreads();
  if (threadIdx.x == 1) y[0] = x[0];
}

}  // namespace

TEST_CASE("emulator: races are watched for in this build unless a sanitizer excludes it") {
#if defined(__SANITIZE_THREAD__)
  CHECK(emulator::watches_memory());
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
  CHECK(emulator::watches_memory());
#else
  CHECK(!emulator::watches_memory());
#endif
#else
  CHECK(!emulator::watches_memory());
#endif
}

TEST_CASE("emulator: a missing barrier is a race, whatever the turns" *
          doctest::skip(!emulator::watches_memory())) {
  std::vector<float> y(64);
  for (uint64_t seed : kSchedules) {
    auto with = [&](int distance, Sync sync) {
      return findings(seed, [&] {
        launch(Cuda{}, 1, 64, sizeof(Row), neighbour_kernel, y.data(), distance, sync);
      });
    };
    CHECK(with(32, Sync::block) == "");
    std::string text = with(32, Sync::none);
    CAPTURE(text);
    CHECK(has(text, "neighbour_kernel:"));
    CHECK(has(text, "race in shared memory, byte "));
    CHECK(has(text, "no __syncthreads between them"));
    CHECK(has(text, "writes at tests/emulator/test_races.cpp:" + std::to_string(kWriteLine)));
    CHECK(has(text, "reads at tests/emulator/test_races.cpp:" + std::to_string(kReadLine)));
    // Within a warp __syncwarp is enough; across warps it is not.
    CHECK(with(1, Sync::warp) == "");
    CHECK(has(with(1, Sync::none), "no __syncwarp between them"));
    CHECK(has(with(32, Sync::warp), "no __syncthreads between them"));
    CHECK(with(15, Sync::half_warps) == "");
    CHECK(has(with(16, Sync::half_warps), "no __syncwarp between them"));
    // A shuffle brings the lanes together but orders no memory.
    CHECK(has(with(1, Sync::shuffle), "no __syncwarp between them"));
    CHECK(with(0, Sync::none) == "");
  }
}

TEST_CASE("emulator: order passes along a chain of __syncwarp" *
          doctest::skip(!emulator::watches_memory())) {
  float y = 0;
  for (uint64_t seed : kSchedules) {
    auto with = [&](bool complete) {
      return findings(seed, [&] { launch(Cuda{}, 1, 3, sizeof(Row), chain_kernel, &y, complete); });
    };
    CHECK(with(true) == "");
    CHECK(y == 7);
    std::string text = with(false);  // whichever comes first, one of two lines is printed
    CHECK((has(text, "no __syncwarp between them") || has(text, "which nothing has written")));
  }
}

TEST_CASE("emulator: atomics race with plain accesses only" *
          doctest::skip(!emulator::watches_memory())) {
  for (uint64_t seed : kSchedules) {
    auto with = [&](Update second, bool barrier) {
      int count = 0, y = 0;
      return findings(
          seed, [&] { launch(Cuda{}, 1, 64, 0, counter_kernel, &count, &y, second, barrier); });
    };
    CHECK(with(Update::none, false) == "");
    CHECK(with(Update::atomic, false) == "");
    CHECK(has(with(Update::plain_read, false), "race in global memory"));
    CHECK(has(with(Update::plain_write, false), "race in global memory"));
    CHECK(with(Update::plain_read, true) == "");
    CHECK(with(Update::plain_write, true) == "");
  }
}

TEST_CASE("emulator: a write races with every earlier reader, not only the last" *
          doctest::skip(!emulator::watches_memory())) {
  std::vector<float> y(64);
  for (uint64_t seed : kSchedules)
    for (int writer : {0, 31, 32, 63}) {
      for (unsigned threads : {32u, 64u}) {
        if (writer >= int(threads)) continue;
        float x = 1;
        auto with = [&](bool barrier) {
          return findings(seed, [&] {
            launch(Cuda{}, 1, threads, 0, all_read_one_writes_kernel, &x, y.data(), writer,
                   barrier);
          });
        };
        CHECK(has(with(false), "race in global memory"));
        CHECK(with(true) == "");
      }
    }
}

TEST_CASE("emulator: two blocks may not touch the same byte, if one writes" *
          doctest::skip(!emulator::watches_memory())) {
  std::vector<float> f(64);
  std::vector<bf16> h(64);
  std::vector<uint8_t> u(64);
  for (uint64_t seed : kSchedules) {
    auto with = [&](auto* y, int stride, int width) {
      using T = std::remove_pointer_t<decltype(y)>;
      return findings(seed, [&] { launch(Cuda{}, 7, 1, 0, overlap_kernel<T>, y, stride, width); });
    };
    CHECK(with(f.data(), 3, 3) == "");
    CHECK(with(h.data(), 3, 3) == "");  // neighbours in one 4-byte word are no race
    CHECK(with(u.data(), 3, 3) == "");
    std::string text = with(f.data(), 3, 4);
    CHECK(has(text, "overlap_kernel<float>"));
    CHECK(has(text, "nothing orders two blocks of one launch"));
    CHECK(has(with(h.data(), 3, 4), "nothing orders two blocks of one launch"));
    CHECK(has(with(u.data(), 3, 4), "nothing orders two blocks of one launch"));
    float x = 0, y = 0;
    CHECK(has(findings(seed, [&] { launch(Cuda{}, 3, 1, 0, read_of_other_block_kernel, &y, &x); }),
              "nothing orders two blocks of one launch"));
  }
}

TEST_CASE("emulator: shared memory is NaN before it is written, and reading it is named") {
  std::vector<float> y(64);
  for (uint64_t seed : kSchedules) {
    std::string text =
        findings(seed, [&] { launch(Cuda{}, 1, 64, sizeof(Row), unwritten_kernel, y.data()); });
    CHECK(std::isnan(y[3]));
    CHECK(y[4] == 1);
    if (!emulator::watches_memory()) continue;
    CHECK(has(text,
              "thread 3 of block (0,0,0) reads shared memory, byte 12, which nothing has "
              "written in this block, at tests/emulator/test_races.cpp:"));
  }
}

TEST_CASE("emulator: accesses outside of shared memory and of a test's buffers are named" *
          doctest::skip(!emulator::watches_memory())) {
  for (int index : {-1, 64})
    CHECK(has(findings(0, [&] { launch(Cuda{}, 1, 1, sizeof(Row), beyond_shared_kernel, index); }),
              "writes outside of shared memory: 4 bytes at offset " + std::to_string(4 * index) +
                  " of 256, at tests/emulator/test_races.cpp:"));
  std::vector<float> memory(40);
  float* x = memory.data() + 10;  // [5], between zones of 10
  float* y = memory.data() + 25;  // [5]
  for (int zone : {0, 15, 30}) emulator::forbid(memory.data() + zone, 10 * sizeof(float));
  auto with = [&](int read, int write) {
    return findings(0, [&] { launch(Cuda{}, 1, 1, 0, beyond_buffer_kernel, y, x, read, write); });
  };
  CHECK(with(4, 4) == "");
  CHECK(with(0, 0) == "");
  CHECK(has(with(5, 0), "reads outside of a buffer: 4 bytes at tests/emulator/test_races.cpp:"));
  CHECK(has(with(-1, 0), "reads outside of a buffer"));
  CHECK(has(with(0, 5), "writes outside of a buffer"));
  CHECK(has(with(0, -1), "writes outside of a buffer"));
  for (int zone : {0, 15, 30}) emulator::permit(memory.data() + zone);
  CHECK(with(5, 5) == "");
}

TEST_CASE("emulator: block copies are seen like single accesses" *
          doctest::skip(!emulator::watches_memory())) {
  std::vector<Block16> x(1), y(2);
  for (uint64_t seed : kSchedules)
    CHECK(findings(seed,
                   [&] { launch(Cuda{}, 1, 2, 0, struct_copy_kernel, y.data(), x.data()); }) == "");
  for (uint64_t seed : kSchedules)
    CHECK(has(
        findings(seed, [&] { launch(Cuda{}, 2, 1, 0, struct_copy_kernel, y.data(), x.data()); }),
        "nothing orders two blocks of one launch"));
}
