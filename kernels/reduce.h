// Sums over a warp and over a block, always by the same tree: the result does not depend on which
// thread comes first. Device code only.
#pragma once
#include "kernels/platform.h"

namespace autodidact {

inline constexpr int kWarpSize = 32;

// Every lane gets the same sum: a butterfly adds the same pairs in each.
template <class T>
__device__ __forceinline__ T warp_sum(T v) {
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2)
    v += __shfl_xor_sync(~0u, v, distance);
  return v;
}

// The block's shared memory for block_sum; blockDim.x must be a multiple of 32, the only dimension.
template <class T>
struct BlockSum {
  T warp[kWarpSize];
};
// Every thread gets the same sum.
template <class T>
__device__ __forceinline__ T block_sum(T v, BlockSum<T>& memory) {
  int lane = int(threadIdx.x) % kWarpSize, warp = int(threadIdx.x) / kWarpSize;
  int warps = int(blockDim.x) / kWarpSize;
  v = warp_sum(v);
  __syncthreads();  // the previous call's sums may still be read
  if (lane == 0) memory.warp[warp] = v;
  __syncthreads();
  return warp_sum(lane < warps ? memory.warp[lane] : T(0));
}

}  // namespace autodidact
