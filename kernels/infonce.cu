// InfoNCE over a queue on CUDA. A block has a tile of queries, a run of the queue and kDims columns
// of dq (dim above kDims takes several blocks, each with the logits of its own): logits a tile of
// keys at a time, exponentials in shared memory, their weighted keys in registers. A second launch
// puts the runs of each row together, in order; a third takes the mean.
// A thread (x, y) of 16 x 16 holds the logits of kOfThread queries y and 4 keys x, and of dq the
// same queries and kGroups groups of 4 columns: what belongs to a query stays in its 16 threads.
#include <algorithm>
#include <cmath>
#include "kernels/device_scratch.h"
#include "kernels/infonce_row.h"
#include "kernels/reduce.h"

namespace autodidact {
namespace {

constexpr int kSide = 16, kThreads = kSide * kSide;
constexpr int kKeys = 4 * kSide;           // of a tile
constexpr int kStep = 32;                  // dims of queries and keys staged at a time
constexpr int kStagedFloats = 8192;        // of keys for the second product
constexpr int kBlocksWanted = 264;         // two for each multiprocessor of the largest chip
constexpr int64_t kMostPartial = 3 << 20;  // floats of the runs' weighted keys, beyond one run

template <int kDims>
struct Tile {
  static constexpr int kRows = kDims == 512 ? 32 : 64;  // queries: 64 registers hold dq at most
  static constexpr int kOfThread = kRows / kSide, kGroups = kDims / kKeys;
  static constexpr int kStagedKeys = kStagedFloats / kDims;
  struct Staged {
    float q[kStep][kRows + 4], k[kStep][kKeys + 4];  // transposed; q scaled by 1 / t
  };
  struct Shared {
    float p[kKeys][kRows + 1];
    float positive[kRows];
    union {
      Staged staged;                   // for the logits
      float keys[kStagedKeys][kDims];  // for dq
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
};

// What the runs leave: sum, max and rank [runs, batch], weighted [runs, batch, dim], positive
// [batch].
struct Parts {
  float* sum;
  float* max;
  int32_t* rank;
  float* positive;
  float* weighted;
};

// l[r][c]: of this thread's queries and keys, a chain of fused multiply-adds over dim, in order, as
// on the CPU. Rows and keys beyond their counts read as zeros.
template <class T, int kDims>
__device__ __forceinline__ void tile_logits(float (&l)[Tile<kDims>::kOfThread][4],
                                            typename Tile<kDims>::Shared& memory, const T* q,
                                            int rows, const T* keys, int count, int dim,
                                            float scale) {
  constexpr int kRows = Tile<kDims>::kRows, kOfThread = Tile<kDims>::kOfThread;
  const int thread = int(threadIdx.x), x = thread % kSide, y = thread / kSide;
  auto& m = memory.staged;
  for (int r = 0; r < kOfThread; ++r)
    for (int c = 0; c < 4; ++c) l[r][c] = 0;
  for (int begin = 0; begin < dim; begin += kStep) {
    __syncthreads();  // what lay here may still be read
    for (int e = thread; e < kStep * kRows; e += kThreads) {
      const int d = e % kStep, r = e / kStep;
      const bool inside = r < rows && begin + d < dim;
      m.q[d][r] = inside ? float(q[int64_t(r) * dim + begin + d]) * scale : 0.0f;
    }
    for (int e = thread; e < kStep * kKeys; e += kThreads) {
      const int d = e % kStep, j = e / kStep;
      const bool inside = j < count && begin + d < dim;
      m.k[d][j] = inside ? float(keys[int64_t(j) * dim + begin + d]) : 0.0f;
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

// Over the 16 threads of a query: each gets the same.
template <class V, class F>
__device__ __forceinline__ V over_keys(V v, F f) {
  for (int distance = kSide / 2; distance > 0; distance /= 2)
    v = f(__shfl_xor_sync(~0u, v, distance), v);
  return v;
}

template <class T, int kDims>
__global__ void __launch_bounds__(kThreads)
    infonce_runs_kernel(InfoNce<T> p, DeviceRuns cut, Parts parts) {
  using Sizes = Tile<kDims>;
  constexpr int kOfThread = Sizes::kOfThread, kGroups = Sizes::kGroups;
  auto& memory = shared<typename Sizes::Shared>();
  const int thread = int(threadIdx.x), x = thread % kSide, y = thread / kSide;
  const int first = int(blockIdx.x) * Sizes::kRows, run = int(blockIdx.y);
  const int rows = p.batch - first < Sizes::kRows ? p.batch - first : Sizes::kRows;
  const int column = int(blockIdx.z) * kDims;
  const int columns = p.dim - column < kDims ? p.dim - column : kDims;
  const bool follow = !needs_no_maximum(p.temperature, p.unit);
  const float scale = 1 / p.temperature;
  const T* q = p.q + int64_t(first) * p.dim;

  float l[kOfThread][4];
  tile_logits<T, kDims>(l, memory, q, rows, p.k + int64_t(first) * p.dim, rows, p.dim, scale);
  for (int r = 0; r < kOfThread; ++r)
    for (int c = 0; c < 4; ++c)
      if (y * kOfThread + r == x * 4 + c) memory.positive[x * 4 + c] = l[r][c];
  __syncthreads();

  float positive[kOfThread], sum[kOfThread], top[kOfThread], dq[kOfThread][kGroups][4];
  int32_t rank[kOfThread];
  for (int r = 0; r < kOfThread; ++r) {
    positive[r] = memory.positive[y * kOfThread + r];
    sum[r] = 0, rank[r] = 0;
    top[r] = follow ? -INFINITY : 0.0f;
    for (int g = 0; g < kGroups; ++g)
      for (int c = 0; c < 4; ++c) dq[r][g][c] = 0;
  }

  const int last = int(int64_t(cut.key_tiles) * (run + 1) / cut.runs);
  for (int tile = int(int64_t(cut.key_tiles) * run / cut.runs); tile < last; ++tile) {
    const int64_t key = int64_t(tile) * kKeys;
    const int count = p.keys - key < kKeys ? int(p.keys - key) : kKeys;
    const T* keys = p.queue + key * p.dim;
    tile_logits<T, kDims>(l, memory, q, rows, keys, count, p.dim, scale);
    for (int r = 0; r < kOfThread; ++r) {
      float most = top[r];
      for (int c = 0; c < 4; ++c)
        if (x * 4 + c < count) {
          rank[r] += l[r][c] > positive[r];
          if (follow) most = max(l[r][c], most);
        }
      if (follow) most = over_keys(most, [](float a, float b) { return max(a, b); });
      const float factor = follow ? exp(top[r] - most) : 1.0f;
      float of_tile = 0;
      for (int c = 0; c < 4; ++c) {
        const float e = x * 4 + c < count ? exp(l[r][c] - most) : 0.0f;
        of_tile += e;
        memory.p[x * 4 + c][y * kOfThread + r] = e;
      }
      of_tile = over_keys(of_tile, [](float a, float b) { return a + b; });
      sum[r] = fma(factor, sum[r], of_tile);
      top[r] = most;
      for (int g = 0; g < kGroups; ++g)
        for (int c = 0; c < 4; ++c) dq[r][g][c] *= factor;
    }
    if (!p.dq) continue;
    for (int begin = 0; begin < count; begin += Sizes::kStagedKeys) {
      const int staged = count - begin < Sizes::kStagedKeys ? count - begin : Sizes::kStagedKeys;
      __syncthreads();  // p is complete, and what lay in keys is done with
      for (int e = thread; e < staged * kDims; e += kThreads) {
        const int d = e % kDims, j = e / kDims;
        memory.keys[j][d] =
            d < columns ? float(keys[int64_t(begin + j) * p.dim + column + d]) : 0.0f;
      }
      __syncthreads();
      for (int j = 0; j < staged; ++j) {
        float weight[kOfThread];
        for (int r = 0; r < kOfThread; ++r) weight[r] = memory.p[begin + j][y * kOfThread + r];
        for (int g = 0; g < kGroups; ++g)
          for (int c = 0; c < 4; ++c) {
            const float v = memory.keys[j][g * kKeys + x * 4 + c];
            for (int r = 0; r < kOfThread; ++r) dq[r][g][c] = fma(weight[r], v, dq[r][g][c]);
          }
      }
    }
  }

  for (int r = 0; r < kOfThread; ++r) {
    const int row = y * kOfThread + r;
    rank[r] = over_keys(rank[r], [](int32_t a, int32_t b) { return a + b; });
    if (row >= rows) continue;
    const int64_t at = int64_t(run) * p.batch + first + row;
    if (x == 0 && blockIdx.z == 0) {
      parts.sum[at] = sum[r], parts.max[at] = top[r], parts.rank[at] = rank[r];
      if (run == 0) parts.positive[first + row] = positive[r];
    }
    if (!p.dq) continue;
    for (int g = 0; g < kGroups; ++g)
      for (int c = 0; c < 4; ++c)
        if (int d = g * kKeys + x * 4 + c; d < columns)
          parts.weighted[at * p.dim + column + d] = dq[r][g][c];
  }
}

// A block a row.
template <class T>
__global__ void infonce_rows_kernel(InfoNce<T> p, Parts parts, int runs) {
  auto& weight = shared<float[kBlocksWanted]>();
  const int row = int(blockIdx.x), thread = int(threadIdx.x);
  const RunSums<float> sums{parts.sum + row, parts.max + row, parts.rank + row, p.batch, runs};
  const RowEnd end =
      end_of_row(parts.positive[row], sums, p.keys, p.temperature, p.unit, p.k_in_queue);
  if (thread == 0) {
    p.row_loss[row] = float(end.loss);
    if (p.lse) p.lse[row] = float(end.loss + double(parts.positive[row]));
    if (p.rank) p.rank[row] = end.rank;
  }
  if (!p.dq) return;
  for (int r = thread; r < runs; r += kThreads)
    weight[r] = float(of_run(end, double(sums.max[r * sums.stride]), p.temperature, p.batch));
  __syncthreads();
  const float positive_weight = float(of_key(end, p.temperature, p.batch));
  for (int d = thread; d < p.dim; d += kThreads) {
    const int64_t at = int64_t(row) * p.dim + d;
    float dq = positive_weight * float(p.k[at]);
    for (int r = 0; r < runs; ++r)
      dq += weight[r] * parts.weighted[int64_t(r) * p.batch * p.dim + at];
    p.dq[at] = dq;
  }
}

__global__ void infonce_mean_kernel(float* loss, const float* row_loss, int batch) {
  auto& memory = shared<RowMemory<double>>();
  double total = 0;
  for (int row = int(threadIdx.x); row < batch; row += kThreads) total += double(row_loss[row]);
  total = row_sum(total, memory);
  if (threadIdx.x == 0) *loss = float(total / batch);
}

template <int kDims, class T>
void launch_infonce(Cuda queue, InfoNce<T> p) {
  using Sizes = Tile<kDims>;
  const DeviceRuns cut(p.batch, p.keys, p.dim, Sizes::kRows, kDims);
  const int64_t rows = int64_t(cut.runs) * p.batch;
  DeviceScratch<float> sum(queue, rows), max(queue, rows), positive(queue, p.batch);
  DeviceScratch<int32_t> rank(queue, rows);
  DeviceScratch<float> weighted(queue, p.dq ? rows * p.dim : 0);
  DeviceScratch<float> row_loss(queue, p.row_loss ? 0 : p.batch);
  if (!p.row_loss) p.row_loss = row_loss.data();
  const Parts parts{sum.data(), max.data(), rank.data(), positive.data(), weighted.data()};
  launch(queue, dim3(unsigned(cut.tiles), unsigned(cut.runs), p.dq ? unsigned(cut.chunks) : 1),
         kThreads, sizeof(typename Sizes::Shared), infonce_runs_kernel<T, kDims>, p, cut, parts);
  launch(queue, unsigned(p.batch), kThreads, sizeof(float[kBlocksWanted]), infonce_rows_kernel<T>,
         p, parts, cut.runs);
  if (p.loss)
    launch(queue, 1, kThreads, sizeof(RowMemory<double>), infonce_mean_kernel, p.loss, p.row_loss,
           p.batch);
}

// Which element of the queue the e-th of the rows goes to.
template <class T>
__global__ void enqueue_kernel(Enqueue<T> p, int skipped) {
  const int64_t e = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  const int64_t row = skipped + e / p.dim;
  if (row >= p.batch) return;
  p.queue[(*p.next + row) % p.keys * p.dim + e % p.dim] = p.rows[row * p.dim + e % p.dim];
}
__global__ void advance_kernel(int32_t* next, int batch, int keys) {
  *next = int32_t((int64_t(*next) + batch) % keys);
}

}  // namespace

template <class T>
void run(Cuda queue, InfoNce<T> p) {
  if (p.dim <= 128) launch_infonce<128>(queue, p);
  else if (p.dim <= 256) launch_infonce<256>(queue, p);
  else launch_infonce<512>(queue, p);
}

template <class T>
void run(Cuda queue, Enqueue<T> p) {
  if (p.batch == 0) return;
  const int skipped = std::max(0, p.batch - p.keys);
  const int64_t elements = int64_t(p.batch - skipped) * p.dim;
  launch(queue, unsigned((elements + kThreads - 1) / kThreads), kThreads, 0, enqueue_kernel<T>, p,
         skipped);
  launch(queue, 1, 1, 0, advance_kernel, p.next, p.batch, p.keys);
}

template void run(Cuda, InfoNce<float>);
template void run(Cuda, InfoNce<bf16>);
template void run(Cuda, Enqueue<float>);
template void run(Cuda, Enqueue<bf16>);

}  // namespace autodidact
