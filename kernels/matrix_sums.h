// Matrix products on CUDA, part 2 of 3: the sums of a tile, spread over the registers of a block's
// threads. bf16 is multiplied by the tensor cores (mma.h); float by fma, with no rounding but
// float's own. Device code only.
#pragma once
#include "kernels/matrix_panel.h"
#include "kernels/mma.h"

namespace autodidact {

// kA, kB: whether k is contiguous in A and in B.
template <class Shape, bool kA, bool kB, class T = typename Shape::T>
struct TileSums;

template <class Shape, bool kA, bool kB>
struct TileSums<Shape, kA, kB, bf16> {
  static constexpr int kWarpsN = Shape::kThreads / 32 / 2;  // two rows of warps
  static constexpr int kWarpM = Shape::kM / 2, kWarpN = Shape::kN / kWarpsN;
  static_assert(Shape::kThreads % 64 == 0 && Shape::kN % kWarpsN == 0);
  static_assert(kWarpM % 16 == 0 && kWarpN % 16 == 0 && Shape::kK % 16 == 0);
  float sums[kWarpM / 16][kWarpN / 8][4] = {};

  // Where this warp's part of the tile begins.
  __device__ __forceinline__ static int first_row() {
    return int(threadIdx.x) / 32 / kWarpsN * kWarpM;
  }
  __device__ __forceinline__ static int first_column() {
    return int(threadIdx.x) / 32 % kWarpsN * kWarpN;
  }

  // Four 8 x 8 matrices; this lane names one that begins at element e of the panel's extent, and k.
  template <class P>
  __device__ __forceinline__ static void load(uint32_t (&r)[4], const P& p, int e, int k) {
    const int row = int(threadIdx.x) % 8;
    if constexpr (P::kAlongK) load_matrices<false>(r, &p.v[e + row][k]);
    else load_matrices<true>(r, &p.v[k + row][e]);
  }

  template <class A, class B>
  __device__ __forceinline__ void add(const A& a, const B& b) {
    const int matrix = int(threadIdx.x) % 32 / 8;
    UNROLL
    for (int k = 0; k < Shape::kK; k += 16) {
      uint32_t left[kWarpM / 16][4], right[kWarpN / 16][4];
      UNROLL
      for (int i = 0; i < kWarpM / 16; ++i)  // two along the rows, two along k
        load(left[i], a, first_row() + i * 16 + matrix % 2 * 8, k + matrix / 2 * 8);
      UNROLL
      for (int j = 0; j < kWarpN / 16; ++j)  // two along k, two along the columns
        load(right[j], b, first_column() + j * 16 + matrix / 2 * 8, k + matrix % 2 * 8);
      UNROLL
      for (int i = 0; i < kWarpM / 16; ++i) UNROLL
      for (int j = 0; j < kWarpN / 8; ++j)
        mma(sums[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
    }
  }

  // f(row, column, v): the sums of neighbours in a row of the tile.
  template <class F>
  __device__ __forceinline__ void for_each(F f) const {
    const int lane = int(threadIdx.x) % 32;
    UNROLL
    for (int i = 0; i < kWarpM / 16; ++i) UNROLL
    for (int half = 0; half < 2; ++half) UNROLL
    for (int j = 0; j < kWarpN / 8; ++j) {
      const float v[2] = {sums[i][j][2 * half], sums[i][j][2 * half + 1]};
      f(first_row() + i * 16 + half * 8 + lane / 4, first_column() + j * 8 + lane % 4 * 2, v);
    }
  }
};

template <class Shape, bool kA, bool kB>
struct TileSums<Shape, kA, kB, float> {
  static constexpr int kThreadsN = 16, kThreadsM = Shape::kThreads / kThreadsN;
  static constexpr int kRows = Shape::kM / kThreadsM, kColumns = Shape::kN / kThreadsN;
  static_assert(kRows % 4 == 0 && kColumns % 4 == 0 && Shape::kK % 4 == 0);
  float sums[kRows][kColumns] = {};

  // Which row (column) of the tile is a thread's i-th, of `threads` that share them: neighbours in
  // a panel along k have neighbouring rows of it, else neighbouring groups of four.
  __device__ __forceinline__ static int position(bool along_k, int i, int thread, int threads) {
    return along_k ? thread + i * threads : (thread + i / 4 * threads) * 4 + i % 4;
  }
  __device__ __forceinline__ static int row(int i) {
    return position(kA, i, int(threadIdx.x) / kThreadsN, kThreadsM);
  }
  __device__ __forceinline__ static int column(int j) {
    return position(kB, j, int(threadIdx.x) % kThreadsN, kThreadsN);
  }

  struct alignas(16) Four {
    float v[4];
  };
  // r[i][q]: element position(i) of the panel's extent, at k + q.
  template <int kCount, class P, class F>
  __device__ __forceinline__ static void load(float (&r)[kCount][4], const P& p, int k,
                                              F position) {
    UNROLL
    for (int i = 0; i < kCount; i += P::kAlongK ? 1 : 4) UNROLL
    for (int q = 0; q < 4; q += P::kAlongK ? 4 : 1) {
      const float& first = P::kAlongK ? p.v[position(i)][k] : p.v[k + q][position(i)];
      const Four four = reinterpret_cast<const Four&>(first);
      UNROLL
      for (int n = 0; n < 4; ++n) (P::kAlongK ? r[i][n] : r[i + n][q]) = four.v[n];
    }
  }

  template <class A, class B>
  __device__ __forceinline__ void add(const A& a, const B& b) {
    UNROLL
    for (int k = 0; k < Shape::kK; k += 4) {
      float left[kRows][4], right[kColumns][4];
      load(left, a, k, row);
      load(right, b, k, column);
      UNROLL
      for (int q = 0; q < 4; ++q) UNROLL
      for (int i = 0; i < kRows; ++i) UNROLL
      for (int j = 0; j < kColumns; ++j) sums[i][j] = fmaf(left[i][q], right[j][q], sums[i][j]);
    }
  }

  template <class F>
  __device__ __forceinline__ void for_each(F f) const {
    constexpr int kTogether = kB ? 1 : 4;
    UNROLL
    for (int i = 0; i < kRows; ++i) UNROLL
    for (int j = 0; j < kColumns; j += kTogether) {
      float v[kTogether];
      UNROLL
      for (int n = 0; n < kTogether; ++n) v[n] = sums[i][j + n];
      f(row(i), column(j), v);
    }
  }
};

// to[0 .. N - 1] = v, but no more than `count` of them: at once where the address allows it.
template <class Out, int N>
__device__ __forceinline__ void store_sums(Out* to, const float (&v)[N], int count) {
  struct alignas(N * sizeof(Out)) Together {
    Out v[N];
  };
  if (count >= N && reinterpret_cast<uintptr_t>(to) % sizeof(Together) == 0) {
    Together all;
    UNROLL
    for (int n = 0; n < N; ++n) all.v[n] = Out(v[n]);
    *reinterpret_cast<Together*>(to) = all;
  } else {
    UNROLL
    for (int n = 0; n < N; ++n)
      if (n < count) to[n] = Out(v[n]);
  }
}

}  // namespace autodidact
