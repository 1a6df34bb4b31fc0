// Shuffles, votes and masks of one warp.
#include <doctest/doctest.h>
#include "findings.h"
#include "kernels/platform.h"

using namespace autodidact;

namespace {

struct Shuffles {
  int *plain, *up, *down, *butterfly;  // [32]
  int operand, width;
};
__global__ void shuffles_kernel(Shuffles p) {
  int lane = int(threadIdx.x);
  p.plain[lane] = __shfl_sync(~0u, 100 + lane, p.operand, p.width);
  p.up[lane] = __shfl_up_sync(~0u, 100 + lane, unsigned(p.operand), p.width);
  p.down[lane] = __shfl_down_sync(~0u, 100 + lane, unsigned(p.operand), p.width);
  p.butterfly[lane] = __shfl_xor_sync(~0u, 100 + lane, p.operand, p.width);
}

struct Votes {
  unsigned* ballot;
  int *any, *all, *any_none, *all_of_half;  // [32]
};
__global__ void votes_kernel(Votes p) {
  int lane = int(threadIdx.x);
  p.ballot[lane] = __ballot_sync(~0u, lane % 3 == 0);
  p.any[lane] = __any_sync(~0u, lane == 31);
  p.all[lane] = __all_sync(~0u, lane < 31);
  p.any_none[lane] = __any_sync(~0u, 0);
  unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
  p.all_of_half[lane] = __all_sync(half, lane < 16);
}

__global__ void doubles_kernel(double* y) {
  y[threadIdx.x] = __shfl_xor_sync(~0u, 1.0 / (1 + threadIdx.x), 1);
}

enum class Wrong { own_lane, outside, other_masks, other_calls, nobody, left, width };
__global__ void wrong_mask_kernel(Wrong wrong, int* y) {
  int lane = int(threadIdx.x);
  switch (wrong) {
    case Wrong::own_lane:
      y[lane] = __shfl_sync(0x7fffffffu, lane, 0);
      break;
    case Wrong::outside:
      if (lane < 16) y[lane] = __shfl_xor_sync(0xffffu, lane, 16);
      break;
    case Wrong::other_masks:
      y[lane] = __shfl_xor_sync(lane == 5 ? 0x7fffffffu : ~0u, lane, 1);
      break;
    case Wrong::other_calls:
      y[lane] = lane == 5 ? int(__ballot_sync(~0u, 1)) : __shfl_xor_sync(~0u, lane, 1);
      break;
    case Wrong::nobody:
      if (lane < 31) y[lane] = __shfl_xor_sync(~0u, lane, 1);
      __syncthreads();
      break;
    case Wrong::left:
      if (lane == 31) return;
      y[lane] = __shfl_xor_sync(~0u, lane, 1);
      break;
    case Wrong::width:
      y[lane] = __shfl_xor_sync(~0u, lane, 1, 12);
      break;
  }
}

}  // namespace

TEST_CASE("emulator: shuffles follow the CUDA guide for every width and operand") {
  for (uint64_t seed : kSchedules) {
    emulator::set_schedule(seed);
    for (int width : {1, 2, 4, 8, 16, 32})
      for (int operand = 0; operand < 32; ++operand) {
        int plain[32], up[32], down[32], butterfly[32];
        launch(Cuda{}, 1, 32, 0, shuffles_kernel,
               Shuffles{plain, up, down, butterfly, operand, width});
        for (int lane = 0; lane < 32; ++lane) {
          int begin = lane / width * width, end = begin + width;
          auto inside = [&](int source) { return source >= begin && source < end; };
          REQUIRE(plain[lane] == 100 + begin + operand % width);
          REQUIRE(up[lane] == 100 + (inside(lane - operand) ? lane - operand : lane));
          REQUIRE(down[lane] == 100 + (inside(lane + operand) ? lane + operand : lane));
          // Lanes of earlier segments may be read, those of later ones not.
          REQUIRE(butterfly[lane] == 100 + ((lane ^ operand) < end ? lane ^ operand : lane));
        }
      }
  }
}

TEST_CASE("emulator: votes, and two halves of a warp apart") {
  for (uint64_t seed : kSchedules) {
    emulator::set_schedule(seed);
    unsigned ballot[32];
    int any[32], all[32], any_none[32], all_of_half[32];
    launch(Cuda{}, 1, 32, 0, votes_kernel, Votes{ballot, any, all, any_none, all_of_half});
    for (int lane = 0; lane < 32; ++lane) {
      CHECK(ballot[lane] == 0x49249249u);
      CHECK(any[lane] == 1);
      CHECK(all[lane] == 0);
      CHECK(any_none[lane] == 0);
      CHECK(all_of_half[lane] == (lane < 16));
    }
  }
}

TEST_CASE("emulator: shuffles carry 8 bytes") {
  double y[32];
  launch(Cuda{}, 1, 32, 0, doubles_kernel, y);
  for (int lane = 0; lane < 32; ++lane) CHECK(y[lane] == 1.0 / (1 + (lane ^ 1)));
}

TEST_CASE("emulator: a wrong mask is named with its lane and line") {
  int y[32];
  for (uint64_t seed : kSchedules) {
    auto with = [&](Wrong w) {
      return findings(seed, [&] { launch(Cuda{}, 1, 32, 0, wrong_mask_kernel, w, y); });
    };
    std::string text = with(Wrong::own_lane);
    CHECK(has(text, "lane 31 calls __shfl_sync with mask 0x7fffffff, which does not name it"));
    CHECK(has(text, "wrong_mask_kernel: block (0,0,0), thread 31"));
    CHECK(has(text, "tests/emulator/test_warps.cpp:"));
    text = with(Wrong::outside);
    CHECK(has(text, "through __shfl_xor_sync, mask 0x0000ffff"));
    CHECK(has(text, "is not in the mask"));
    text = with(Wrong::other_masks);
    CHECK(has(text, "lanes of one warp wait for each other in different calls"));
    CHECK(has(text, "mask 0x7fffffff"));
    text = with(Wrong::other_calls);
    CHECK(has(text, "lanes of one warp wait for each other in different calls"));
    CHECK(has(text, "__ballot_sync"));
    text = with(Wrong::nobody);
    CHECK(has(text, "wrong_mask_kernel: block (0,0,0): deadlock"));
    CHECK(has(text, "threads 0-30 wait for lanes 0xffffffff of warp 0 at __shfl_xor_sync"));
    CHECK(has(text, "thread 31 wait for the block at __syncthreads"));
    text = with(Wrong::left);
    CHECK(has(text, "lane 30 of warp 0 reads lane 31"));
    CHECK(has(text, "has left the kernel or does not exist"));
    text = with(Wrong::width);
    CHECK(has(text, "the width must be a power of two up to 32, got 12"));
  }
}
