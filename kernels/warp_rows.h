// A warp for each row of a table: threadIdx.x is the lane, threadIdx.y the warp of its block. A
// kernel begins with row_of_warp(), which may lie behind the last row. Device code only.
#pragma once
#include "kernels/columns.h"

namespace autodidact {

constexpr int kRowWarps = 8;  // of a block

__device__ __forceinline__ int64_t row_of_warp() {
  return int64_t(blockIdx.x) * kRowWarps + threadIdx.y;
}

template <class... P, class... A>
void launch_warp_rows(Cuda queue, int64_t rows, void (*kernel)(P...), A... arguments) {
  if (rows > 0)
    launch(queue, unsigned(div_up(rows, kRowWarps)), dim3(kWarpSize, kRowWarps), 0, kernel,
           arguments...);
}

}  // namespace autodidact
