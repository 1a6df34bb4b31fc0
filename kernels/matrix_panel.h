// Matrix products on CUDA, part 1 of 3: the tiles there are, and how the operands of
// C[M, N] += A[M, k] B[k, N] come into shared memory, in panels kK deep, copied kStages - 1 panels
// ahead of the products. GEMM and convolutions differ in what an element of a panel is: a matrix's,
// or that of a pixel which a tap of the kernel meets. Device code only.
#pragma once
#include "kernels/async_copy.h"
#include "kernels/types.h"

namespace autodidact {

inline constexpr int kStages = 3;

template <class T_, int kM_, int kN_, int kThreads_>
struct TileShape {
  using T = T_;
  static constexpr int kM = kM_, kN = kN_, kThreads = kThreads_;
  static constexpr int kPack = 16 / sizeof(T);  // elements of one 16-byte copy
  static constexpr int kK = 64 / sizeof(T);
};
// matrix_cut.h chooses.
template <class T>
using LargeTile = TileShape<T, 128, 128, 256>;
template <class T>
using SmallTile = TileShape<T, 64, 64, 128>;

// The rows of a panel lie as in global memory: [kExtent, kK] where k is contiguous there, else
// [kK, kExtent]; kExtent is kM or kN. They are 16 bytes longer than needed, so that the 16-byte
// pieces of eight rows lie on different banks.
template <class Shape, int kExtent, bool kAlongK_>
struct alignas(16) Panel {
  using T = typename Shape::T;
  static constexpr bool kAlongK = kAlongK_;
  static constexpr int kRows = kAlongK ? kExtent : Shape::kK;
  static constexpr int kColumns = kAlongK ? Shape::kK : kExtent;
  T v[kRows][kColumns + Shape::kPack];
};

// kA, kB: whether k is contiguous in A and in B.
template <class Shape, bool kA, bool kB>
struct Panels {
  struct Pair {
    Panel<Shape, Shape::kM, kA> a;
    Panel<Shape, Shape::kN, kB> b;
  } stage[kStages];
};

// Elements of global memory: `count` of them from `from` on, then zeros.
template <class T>
struct Source {
  const T* from;
  int64_t count;  // may be negative, or more than asked for
};

// This thread's share of a panel; source(row, column): the elements from there on. With `packs` 16
// bytes at a time, which must be aligned; else one element at a time.
template <class Shape, class P, class F>
__device__ __forceinline__ void copy_panel(P& to, bool packs, F source) {
  using T = typename Shape::T;
  constexpr int kPack = Shape::kPack, kInRow = P::kColumns / kPack, kThreads = Shape::kThreads;
  static_assert(P::kColumns % kPack == 0 && P::kRows * kInRow % kThreads == 0);
  if (packs) {
    UNROLL
    for (int i = 0; i < P::kRows * kInRow / kThreads; ++i) {
      int copy = int(threadIdx.x) + i * kThreads;
      int row = copy / kInRow, column = copy % kInRow * kPack;
      Source<T> s = source(row, column);
      int count = s.count < 0 ? 0 : s.count < kPack ? int(s.count) : kPack;
      copy_async<16>(&to.v[row][column], s.from, count * int(sizeof(T)));
    }
  } else {
    NO_UNROLL
    for (int i = 0; i < P::kRows * P::kColumns / kThreads; ++i) {
      int element = int(threadIdx.x) + i * kThreads;
      int row = element / P::kColumns, column = element % P::kColumns;
      Source<T> s = source(row, column);
      if constexpr (sizeof(T) == 4) copy_async<4>(&to.v[row][column], s.from, s.count > 0 ? 4 : 0);
      else to.v[row][column] = s.count > 0 ? *s.from : T(0.0f);  // cp.async has no 2 bytes
    }
  }
}

// sums += the products of all panels; copy(pair, step) issues this thread's copies of one pair.
template <class Panels, class Sums, class Copy>
__device__ __forceinline__ void multiply_panels(Sums& sums, Panels& panels, int steps, Copy copy) {
  for (int step = 0; step < kStages - 1; ++step) {
    if (step < steps) copy(panels.stage[step], step);
    commit_copies();
  }
  for (int step = 0; step < steps; ++step) {
    wait_copies<kStages - 2>();
    // The panels of `step` are there for everyone; those before them are read and may be replaced.
    __syncthreads();
    const int next = step + kStages - 1;
    if (next < steps) copy(panels.stage[next % kStages], next);
    commit_copies();
    sums.add(panels.stage[step % kStages].a, panels.stage[step % kStages].b);
  }
}

}  // namespace autodidact
