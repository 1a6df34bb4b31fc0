// The twins of mma.sync and ldmatrix: each lane holds the elements that the PTX ISA says, and all
// lanes make the call together.
#include <doctest/doctest.h>
#include <vector>
#include "findings.h"
#include "kernels/mma.h"
#include "kernels/types.h"

using namespace autodidact;

namespace {

struct Product {
  float* d;       // [16, 8]
  const bf16* a;  // [16, 16]
  const bf16* b;  // [16, 8]
  const float* c;
};

HD uint32_t two(bf16 low, bf16 high) { return low.bits | uint32_t(high.bits) << 16; }

// The fragments element by element. `wrong`: a lane takes what belongs to the next one.
enum class Wrong { nothing, a, b, c };
__global__ void product_kernel(Product p, Wrong wrong) {
  const int lane = int(threadIdx.x) % 32, next = (lane + 1) % 32;
  auto a = [&](int row, int column) { return p.a[row * 16 + column]; };
  auto b = [&](int row, int column) { return p.b[row * 8 + column]; };
  int of = wrong == Wrong::a ? next : lane;
  const uint32_t left[4] = {
      two(a(of >> 2, of % 4 * 2), a(of >> 2, of % 4 * 2 + 1)),
      two(a((of >> 2) + 8, of % 4 * 2), a((of >> 2) + 8, of % 4 * 2 + 1)),
      two(a(of >> 2, of % 4 * 2 + 8), a(of >> 2, of % 4 * 2 + 9)),
      two(a((of >> 2) + 8, of % 4 * 2 + 8), a((of >> 2) + 8, of % 4 * 2 + 9))};
  of = wrong == Wrong::b ? next : lane;
  const uint32_t b0 = two(b(of % 4 * 2, of >> 2), b(of % 4 * 2 + 1, of >> 2));
  const uint32_t b1 = two(b(of % 4 * 2 + 8, of >> 2), b(of % 4 * 2 + 9, of >> 2));
  of = wrong == Wrong::c ? next : lane;
  int at[4];
  for (int i = 0; i < 4; ++i) at[i] = ((of >> 2) + (i < 2 ? 0 : 8)) * 8 + of % 4 * 2 + i % 2;
  float c[4] = {p.c[at[0]], p.c[at[1]], p.c[at[2]], p.c[at[3]]};
  mma(c, left, b0, b1);
  for (int i = 0; i < 4; ++i) p.d[((lane >> 2) + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = c[i];
}

enum class Meeting { half_leaves, half_waits, two_places, one_too_few };
__global__ void meeting_kernel(Meeting m) {
  float c[4] = {};
  const uint32_t a[4] = {};
  const bool half = threadIdx.x < 16;
  if (m == Meeting::half_leaves && half) return;
  if (m == Meeting::half_waits && half) __syncwarp();
  if (m != Meeting::two_places || half) mma(c, a, 0, 0);
  else mma(c, a, 0, 0);
}

struct Rows {
  uint16_t v[32][8];
  uint16_t outside[8];
};
enum class Order { good, no_barrier, misaligned };
template <bool kTransposed>
__global__ void load_kernel(uint32_t* y, Order order) {  // y: [4, 32]
  auto& rows = shared<Rows>();
  const int lane = int(threadIdx.x);
  for (int i = 0; i < 8; ++i) rows.v[(lane + 1) % 32][i] = uint16_t((lane + 1) % 32 * 8 + i);
  if (order != Order::no_barrier) __syncwarp();
  uint32_t r[4];
  load_matrices<kTransposed>(r, &rows.v[lane][order == Order::misaligned ? 1 : 0]);
  for (int i = 0; i < 4; ++i) y[i * 32 + lane] = r[i];
}

}  // namespace

TEST_CASE("emulator: mma.sync multiplies what the documented lanes hold") {
  std::vector<bf16> a(256), b(128);
  std::vector<float> c(128), exact(128);
  for (int i = 0; i < 256; ++i) a[size_t(i)] = bf16(float(i * 7 % 31 - 15));
  for (int i = 0; i < 128; ++i) b[size_t(i)] = bf16(float(i * 5 % 29 - 14));
  for (int i = 0; i < 128; ++i) c[size_t(i)] = float(i * 3 % 23);
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      float sum = c[size_t(row * 8 + column)];
      for (int k = 0; k < 16; ++k)
        sum += float(a[size_t(row * 16 + k)]) * float(b[size_t(k * 8 + column)]);
      exact[size_t(row * 8 + column)] = sum;
    }
  for (uint64_t seed : kSchedules)
    for (Wrong wrong : {Wrong::nothing, Wrong::a, Wrong::b, Wrong::c}) {
      std::vector<float> d(128, -1);
      CHECK(findings(seed, [&] {
              launch(Cuda{}, 1, 32, 0, product_kernel,
                     Product{d.data(), a.data(), b.data(), c.data()}, wrong);
            }) == "");
      if (wrong == Wrong::nothing) CHECK(d == exact);
      else CHECK(d != exact);
    }
}

TEST_CASE("emulator: mma.sync needs all 32 lanes, at one place") {
  for (uint64_t seed : kSchedules) {
    auto with = [&](Meeting m, unsigned threads) {
      return findings(seed, [&] { launch(Cuda{}, 1, threads, 0, meeting_kernel, m); });
    };
    CHECK(
        has(with(Meeting::half_leaves, 32), "mma.sync needs all 32 lanes of warp 0, lanes 0xffff"));
    CHECK(has(with(Meeting::one_too_few, 31), "lanes 0x7fffffff are there"));
    CHECK(with(Meeting::one_too_few, 64) == "");
    CHECK(has(with(Meeting::half_waits, 32), "wait for each other in different calls"));
    std::string text = with(Meeting::two_places, 32);
    CHECK(has(text, "lanes of one warp meet in different calls of mma.sync: lane 0 at "));
    CHECK(has(text, "called at tests/emulator/test_mma.cpp:"));
  }
}

TEST_CASE("emulator: ldmatrix gives each lane two elements of each of four matrices") {
  for (uint64_t seed : kSchedules)
    for (bool transposed : {false, true}) {
      std::vector<uint32_t> y(128);
      auto with = [&](Order order) {
        return findings(seed, [&] {
          launch(Cuda{}, 1, 32, sizeof(Rows), transposed ? load_kernel<true> : load_kernel<false>,
                 y.data(), order);
        });
      };
      CHECK(with(Order::good) == "");
      for (uint32_t matrix = 0; matrix < 4; ++matrix)
        for (uint32_t lane = 0; lane < 32; ++lane) {
          auto element = [&](uint32_t row, uint32_t column) {
            return (matrix * 8 + row) * 8 + column;
          };
          uint32_t g = lane / 4, t = lane % 4 * 2;
          uint32_t low = transposed ? element(t, g) : element(g, t);
          uint32_t high = transposed ? element(t + 1, g) : element(g, t + 1);
          REQUIRE(y[matrix * 32 + lane] == (low | high << 16));
        }
      CHECK(has(with(Order::misaligned), "ldmatrix: a row must be 16 bytes of shared memory"));
      if (emulator::watches_memory()) CHECK(has(with(Order::no_barrier), "shared memory, byte "));
    }
}
