// Sums and maxima over a warp and over the threads of a row, always by the same tree: the result
// does not depend on which thread comes first. Device code only.
#pragma once
#include <cmath>
#include "kernels/platform.h"

namespace autodidact {

inline constexpr int kWarpSize = 32;

struct Sum {
  template <class T>
  __device__ __forceinline__ static T f(T a, T b) {
    return a + b;
  }
  template <class T>
  __device__ __forceinline__ static T nothing() {
    return T(0);
  }
};
struct Largest {  // of numbers that are not NaN
  template <class T>
  __device__ __forceinline__ static T f(T a, T b) {
    return a > b ? a : b;
  }
  template <class T>
  __device__ __forceinline__ static T nothing() {
    return T(-INFINITY);
  }
};

// Every lane gets the same result: a butterfly joins the same pairs in each.
template <class Op, class T>
__device__ __forceinline__ T warp_reduce(T v) {
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2)
    v = Op::f(v, __shfl_xor_sync(~0u, v, distance));
  return v;
}
template <class T>
__device__ __forceinline__ T warp_sum(T v) {
  return warp_reduce<Sum>(v);
}

// The block's shared memory for row_reduce; blockDim.x must be a multiple of 32.
template <class T>
struct RowMemory {
  T warp[kWarpSize];
};
// A row is the threads of one threadIdx.y. Every one of them gets the same result. Where a row is
// one warp, no barrier is met, otherwise all threads of the block must come.
template <class Op, class T>
__device__ __forceinline__ T row_reduce(T v, RowMemory<T>& memory) {
  int warps = int(blockDim.x) / kWarpSize, first = int(threadIdx.y) * warps;
  int lane = int(threadIdx.x) % kWarpSize, warp = int(threadIdx.x) / kWarpSize;
  v = warp_reduce<Op>(v);
  if (warps == 1) return v;
  __syncthreads();  // the previous call's results may still be read
  if (lane == 0) memory.warp[first + warp] = v;
  __syncthreads();
  return warp_reduce<Op>(lane < warps ? memory.warp[first + lane] : Op::template nothing<T>());
}
template <class T>
__device__ __forceinline__ T row_sum(T v, RowMemory<T>& memory) {
  return row_reduce<Sum>(v, memory);
}

// The block of a kernel that gives each row of cols elements a row of threads.
inline dim3 row_block(int cols, int pack, unsigned most = 256) {
  unsigned packs = unsigned((cols + pack - 1) / pack);
  unsigned x = (packs + kWarpSize - 1) / kWarpSize * kWarpSize;
  x = x < most ? x : most;
  return {x, x < 256 ? 256 / x : 1};
}

}  // namespace autodidact
