// Rows compared with many others a tile at a time, on CUDA (infonce.cu, ntxent.cu): their logits in
// registers, and a weighted sum of the others, with nothing of rows x others in memory. A block has
// a tile of rows ("queries"), a run of the others ("keys") and kDims columns of the weighted sum.
// A thread (x, y) of 16 x 16 holds the logits of kOfThread queries y and 4 keys x, and of the
// weighted sum the same queries and kGroups groups of 4 columns: what belongs to a query stays in
// its 16 threads. Device code only.
#pragma once
#include <algorithm>
#include <type_traits>
#include "kernels/device_scratch.h"
#include "kernels/reduce.h"
#include "kernels/scalar.h"

namespace autodidact {

constexpr int kSide = 16, kTileThreads = kSide * kSide;
constexpr int kKeys = 4 * kSide;           // of a tile
constexpr int kStep = 32;                  // dims of queries and keys staged at a time
constexpr int kStagedFloats = 8192;        // of keys for the second product
constexpr int kBlocksWanted = 264;         // two for each multiprocessor of the largest chip
constexpr int64_t kMostPartial = 3 << 20;  // floats of the runs' weighted keys, beyond one run

template <int kDims>
struct LogitTile {
  static constexpr int kRows = kDims == 512 ? 32 : 64;  // queries: 64 registers hold a sum at most
  static constexpr int kOfThread = kRows / kSide, kGroups = kDims / kKeys;
  static constexpr int kStagedKeys = kStagedFloats / kDims;
  using Logits = float[kOfThread][4];
  using Weighted = float[kOfThread][kGroups][4];
  struct Staged {
    float q[kStep][kRows + 4], k[kStep][kKeys + 4];  // transposed; q scaled by 1 / t
  };
  struct Shared {
    float p[kKeys][kRows + 1];  // the weights
    float positive[kRows];
    union {
      Staged staged;                   // for the logits
      float keys[kStagedKeys][kDims];  // for the weighted sum
    };
  };
};

// How the work is cut: by the sizes alone.
struct DeviceRuns {
  int tiles, chunks, key_tiles, runs;
  DeviceRuns(int batch, int keys, int dim, int rows, int dims)
      : tiles((batch + rows - 1) / rows),
        chunks((dim + dims - 1) / dims),
        key_tiles((keys + kKeys - 1) / kKeys),
        runs(int(std::min<int64_t>(std::max(1, kBlocksWanted / (tiles * chunks)),
                                   std::max<int64_t>(1, kMostPartial / (int64_t(batch) * dim))))) {
    runs = std::min(runs, key_tiles);
  }
  HD int first_tile(int run) const { return int(int64_t(key_tiles) * run / runs); }
};

// l[r][c]: of this thread's queries and keys, a chain of fused multiply-adds over dim, in order, as
// on the CPU. Rows and keys beyond their counts read as zeros.   key_row(j): where key j lies
template <int kDims, class T, class F>
__device__ __forceinline__ void tile_logits(typename LogitTile<kDims>::Logits& l,
                                            typename LogitTile<kDims>::Shared& memory, const T* q,
                                            int rows, F key_row, int count, int dim, float scale) {
  constexpr int kRows = LogitTile<kDims>::kRows, kOfThread = LogitTile<kDims>::kOfThread;
  const int thread = int(threadIdx.x), x = thread % kSide, y = thread / kSide;
  auto& m = memory.staged;
  for (int r = 0; r < kOfThread; ++r)
    for (int c = 0; c < 4; ++c) l[r][c] = 0;
  for (int begin = 0; begin < dim; begin += kStep) {
    __syncthreads();  // what lay here may still be read
    for (int e = thread; e < kStep * kRows; e += kTileThreads) {
      const int d = e % kStep, r = e / kStep;
      const bool inside = r < rows && begin + d < dim;
      m.q[d][r] = inside ? float(q[int64_t(r) * dim + begin + d]) * scale : 0.0f;
    }
    for (int e = thread; e < kStep * kKeys; e += kTileThreads) {
      const int d = e % kStep, j = e / kStep;
      const bool inside = j < count && begin + d < dim;
      m.k[d][j] = inside ? float(key_row(j)[begin + d]) : 0.0f;
    }
    __syncthreads();
    const int depth = dim - begin < kStep ? dim - begin : kStep;
    for (int d = 0; d < depth; ++d) {
      float query[kOfThread], key[4];
      for (int r = 0; r < kOfThread; ++r) query[r] = m.q[d][y * kOfThread + r];
      for (int c = 0; c < 4; ++c) key[c] = m.k[d][x * 4 + c];
      for (int r = 0; r < kOfThread; ++r)
        for (int c = 0; c < 4; ++c) l[r][c] = fma(query[r], key[c], l[r][c]);
    }
  }
}

// The logit of each of this thread's queries with its own positive, of which key_row(r) says where
// it lies: to the last bit what it is among other keys.
template <int kDims, class T, class F>
__device__ __forceinline__ void positive_logits(float (&positive)[LogitTile<kDims>::kOfThread],
                                                typename LogitTile<kDims>::Shared& memory,
                                                const T* q, int rows, F key_row, int dim,
                                                float scale) {
  constexpr int kOfThread = LogitTile<kDims>::kOfThread;
  const int x = int(threadIdx.x) % kSide, y = int(threadIdx.x) / kSide;
  typename LogitTile<kDims>::Logits l;
  tile_logits<kDims>(l, memory, q, rows, key_row, rows, dim, scale);
  for (int r = 0; r < kOfThread; ++r)
    for (int c = 0; c < 4; ++c)
      if (y * kOfThread + r == x * 4 + c) memory.positive[x * 4 + c] = l[r][c];
  __syncthreads();
  for (int r = 0; r < kOfThread; ++r) positive[r] = memory.positive[y * kOfThread + r];
}

// sums += memory.p (weights of the tile's keys) x columns [column, column + columns) of the keys.
template <int kDims, class T>
__device__ __forceinline__ void add_weighted_keys(typename LogitTile<kDims>::Weighted& sums,
                                                  typename LogitTile<kDims>::Shared& memory,
                                                  const T* keys, int count, int dim, int column,
                                                  int columns) {
  using Sizes = LogitTile<kDims>;
  const int thread = int(threadIdx.x), x = thread % kSide, y = thread / kSide;
  for (int begin = 0; begin < count; begin += Sizes::kStagedKeys) {
    const int staged = count - begin < Sizes::kStagedKeys ? count - begin : Sizes::kStagedKeys;
    __syncthreads();  // p is complete, and what lay in keys is done with
    for (int e = thread; e < staged * kDims; e += kTileThreads) {
      const int d = e % kDims, j = e / kDims;
      memory.keys[j][d] = d < columns ? float(keys[int64_t(begin + j) * dim + column + d]) : 0.0f;
    }
    __syncthreads();
    for (int j = 0; j < staged; ++j) {
      float weight[Sizes::kOfThread];
      for (int r = 0; r < Sizes::kOfThread; ++r)
        weight[r] = memory.p[begin + j][y * Sizes::kOfThread + r];
      for (int g = 0; g < Sizes::kGroups; ++g)
        for (int c = 0; c < 4; ++c) {
          const float v = memory.keys[j][g * kKeys + x * 4 + c];
          for (int r = 0; r < Sizes::kOfThread; ++r)
            sums[r][g][c] = fma(weight[r], v, sums[r][g][c]);
        }
    }
  }
}

// weighted[.., row, column + ..] of one run = sums.   weighted: [batch, dim], from the tile's first
// row on
template <int kDims>
__device__ __forceinline__ void store_weighted(float* weighted,
                                               const typename LogitTile<kDims>::Weighted& sums,
                                               int rows, int dim, int column, int columns) {
  using Sizes = LogitTile<kDims>;
  const int x = int(threadIdx.x) % kSide, y = int(threadIdx.x) / kSide;
  for (int r = 0; r < Sizes::kOfThread; ++r)
    for (int g = 0; g < Sizes::kGroups; ++g)
      for (int c = 0; c < 4; ++c)
        if (const int row = y * Sizes::kOfThread + r, d = g * kKeys + x * 4 + c;
            row < rows && d < columns)
          weighted[int64_t(row) * dim + column + d] = sums[r][g][c];
}

// Over the 16 threads of a query: each gets the same.
template <class Op, class V>
__device__ __forceinline__ V over_keys(V v) {
  for (int distance = kSide / 2; distance > 0; distance /= 2)
    v = Op::f(__shfl_xor_sync(~0u, v, distance), v);
  return v;
}

// What a run leaves of each query: [runs, batch]; positive: [batch].
struct RunParts {
  float* sum;     // of exp(l - max)
  float* max;     // of the run's logits; 0 where none is followed
  int32_t* rank;  // keys with a logit above the positive's
  float* positive;
};

// Sums over a run's exponentials for this thread's queries.
template <int kDims>
struct LogitSums {
  static constexpr int kOfThread = LogitTile<kDims>::kOfThread;
  bool follow;  // take the largest logit so far off
  float positive[kOfThread], sum[kOfThread], top[kOfThread];
  int32_t rank[kOfThread];

  __device__ __forceinline__ void start(bool following) {
    follow = following;
    for (int r = 0; r < kOfThread; ++r) sum[r] = 0, rank[r] = 0, top[r] = follow ? -INFINITY : 0.0f;
  }

  // One tile more for query r; memory.p gets exp(l - top). counts(c): whether key c of the thread's
  // 4 counts; of a tile at least one must. Returns by what all before shrinks.
  template <class F>
  __device__ __forceinline__ float add_tile(int r, const float (&l)[4],
                                            typename LogitTile<kDims>::Shared& memory, F counts) {
    const int x = int(threadIdx.x) % kSide, y = int(threadIdx.x) / kSide;
    float most = top[r];
    for (int c = 0; c < 4; ++c)
      if (counts(c)) {
        rank[r] += l[c] > positive[r];
        if (follow) most = max(l[c], most);
      }
    if (follow) most = over_keys<Largest>(most);
    const float factor = follow ? exp(top[r] - most) : 1.0f;
    float of_tile = 0;
    for (int c = 0; c < 4; ++c) {
      const float e = counts(c) ? exp(l[c] - most) : 0.0f;
      of_tile += e;
      memory.p[x * 4 + c][y * kOfThread + r] = e;
    }
    sum[r] = fma(factor, sum[r], over_keys<Sum>(of_tile));
    top[r] = most;
    return factor;
  }

  // Of `rows` queries from the batch's `first` on; by all threads.
  __device__ __forceinline__ void store(const RunParts& parts, int run, int batch, int first,
                                        int rows) {
    const int x = int(threadIdx.x) % kSide, y = int(threadIdx.x) / kSide;
    for (int r = 0; r < kOfThread; ++r) {
      const int32_t above = over_keys<Sum>(rank[r]);
      const int row = y * kOfThread + r;
      if (x > 0 || row >= rows) continue;
      const int64_t at = int64_t(run) * batch + first + row;
      parts.sum[at] = sum[r], parts.max[at] = top[r], parts.rank[at] = above;
      if (run == 0) parts.positive[first + row] = positive[r];
    }
  }
};

// The memory of RunParts.
struct RunScratch {
  DeviceScratch<float> sum, max, positive;
  DeviceScratch<int32_t> rank;
  RunScratch(Cuda queue, int runs, int batch)
      : sum(queue, int64_t(runs) * batch),
        max(queue, int64_t(runs) * batch),
        positive(queue, batch),
        rank(queue, int64_t(runs) * batch) {}
  RunParts parts() const { return {sum.data(), max.data(), rank.data(), positive.data()}; }
};

// f(kDims as a constant): columns of the weighted sum a block has.
template <class F>
void choose_dims(int dim, F f) {
  if (dim <= 128) f(std::integral_constant<int, 128>{});
  else if (dim <= 256) f(std::integral_constant<int, 256>{});
  else f(std::integral_constant<int, 512>{});
}

// loss = the mean of row_loss [rows], by one block.
template <class T>
__global__ void mean_of_rows_kernel(T* loss, const T* row_loss, int rows) {
  auto& memory = shared<RowMemory<double>>();
  double total = 0;
  for (int row = int(threadIdx.x); row < rows; row += int(blockDim.x))
    total += double(row_loss[row]);
  total = row_sum(total, memory);
  if (threadIdx.x == 0) *loss = T(total / rows);
}
inline void mean_of_rows(Cuda queue, float* loss, const float* row_loss, int rows) {
  launch(queue, 1, kTileThreads, sizeof(RowMemory<double>), mean_of_rows_kernel<float>, loss,
         row_loss, rows);
}

}  // namespace autodidact
