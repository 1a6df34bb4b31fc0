// Sums over the rows of a [rows, cols] table, for kernels that walk it as it lies in memory:
// threadIdx.x goes over packs of columns, threadIdx.y over rows. A sum is taken by each thread,
// then over a block's rows of threads, then, where blocks share the columns, over one partial for
// each chunk of rows, in double. The sizes alone fix every order. Device code only.
#pragma once
#include "kernels/device_scratch.h"
#include "kernels/pack.h"
#include "kernels/reduce.h"

namespace autodidact {

constexpr int kColumnThreads = 256;

constexpr int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// blockDim.x: as many as there are packs, a power of two, at most a warp.
inline dim3 column_block(int cols, int pack) {
  unsigned x = 1;
  while (x < kWarpSize && int64_t(x) * pack < cols) x *= 2;
  return {x, kColumnThreads / x};
}

// v[k] summed over threadIdx.y; every thread of a column gets the sums. blockDim.x: a power of two
// up to a warp, or a multiple of a warp.   memory: shared, sums_memory(block, K, sizeof(A)) bytes
template <int K, class A>
__device__ __forceinline__ void sum_over_y(A (&v)[K], A* memory) {
  int width = int(blockDim.x), x = int(threadIdx.x), slots = int(blockDim.y);
  int slot = int(threadIdx.y), lane = (slot * width + x) % kWarpSize;
  if (width < kWarpSize) {  // a warp holds several rows
    for (int distance = width; distance < kWarpSize; distance *= 2)
      for (int k = 0; k < K; ++k) v[k] += __shfl_xor_sync(~0u, v[k], distance);
    slot = (slot * width + x) / kWarpSize, slots = slots * width / kWarpSize;
  }
  __syncthreads();  // memory may still be read
  if (width >= kWarpSize || lane < width)
    for (int k = 0; k < K; ++k) memory[(slot * K + k) * width + x] = v[k];
  __syncthreads();
  for (int k = 0; k < K; ++k) {
    v[k] = memory[k * width + x];
    for (int s = 1; s < slots; ++s) v[k] += memory[(s * K + k) * width + x];
  }
}
inline size_t sums_memory(dim3 block, int sums, size_t size) {
  unsigned slots = block.x < kWarpSize ? block.x * block.y / kWarpSize : block.y;
  return size_t(slots) * block.x * size_t(sums) * size;
}

// How a table is cut: blockIdx.x goes over chunks of `grain` rows, blockIdx.y over the packs of
// columns. Each of `parts` equal runs of rows (the splits of a batch) is cut by itself.
struct ColumnChunks {
  int64_t rows, grain;      // of one part
  int cols, parts, chunks;  // chunks: of one part
  dim3 block, grid;
  int64_t count() const { return int64_t(parts) * chunks; }
};
inline ColumnChunks column_chunks(int64_t rows, int cols, int parts, int pack, int most_blocks) {
  ColumnChunks k{rows, 0, cols, parts, 0, column_block(cols, pack), {}};
  int64_t across = div_up(cols, int64_t(k.block.x) * pack);
  // At least four rows a thread, so that the sums of a block cost little beside its reading.
  int64_t most = std::min(div_up(rows, 4 * int64_t(k.block.y)), most_blocks / (across * parts));
  k.grain = div_up(rows, std::max<int64_t>(most, 1));
  k.chunks = rows > 0 ? int(div_up(rows, k.grain)) : 1;
  k.grid = dim3(unsigned(k.count()), unsigned(across));
  return k;
}

// The rows and the pack of columns of this thread: rows first, first + step, ... below end.
struct ColumnWalk {
  int part, col;
  bool inside;  // the columns exist
  int64_t first, end;
  int step;
};
template <int N>
__device__ __forceinline__ ColumnWalk column_walk(const ColumnChunks& k) {
  ColumnWalk w;
  w.part = int(blockIdx.x) / k.chunks;
  w.col = int(blockIdx.y * blockDim.x + threadIdx.x) * N;
  w.inside = w.col < k.cols;
  int64_t begin = int(blockIdx.x) % k.chunks * k.grain, start = w.part * k.rows;
  w.end = start + (begin + k.grain < k.rows ? begin + k.grain : k.rows);
  w.first = start + begin + threadIdx.y;
  w.step = int(blockDim.y);
  if (!w.inside) w.end = w.first;
  return w;
}

// A chunk's sums: v[q * N + j] is sum q of column col + j.   partial: [chunk, K, cols]
template <int N, int K>
__device__ __forceinline__ void store_partials(float* partial, const float (&v)[K * N],
                                               const ColumnWalk& w, const ColumnChunks& k) {
  if (threadIdx.y > 0 || !w.inside) return;
  for (int q = 0; q < K; ++q) {
    Pack<N, float> sums;
    for (int j = 0; j < N; ++j) sums.v[j] = v[q * N + j];
    store(partial + (int64_t(blockIdx.x) * K + q) * k.cols + w.col, sums);
  }
}

// Column c's totals over `count` partials, for every thread of the column.
// partial: [count, K, cols]; memory: shared, kTotalsMemory<K> bytes
inline const dim3 kTotalsBlock(kWarpSize, 16);
template <int K>
inline constexpr size_t kTotalsMemory = size_t(kWarpSize) * 16 * K * sizeof(double);
template <int K>
__device__ __forceinline__ void column_totals(double (&total)[K], const float* partial,
                                              int64_t count, int cols, int c, double* memory) {
  for (int q = 0; q < K; ++q) total[q] = 0;
  if (c < cols)
    for (int64_t i = threadIdx.y; i < count; i += blockDim.y)
      for (int q = 0; q < K; ++q) total[q] += double(partial[(i * K + q) * cols + c]);
  sum_over_y(total, memory);
}

// y[q][c] = the total of sum q, unless y[q] is null.
template <int K>
struct ColumnOutputs {
  float* y[K];
};
template <int K>
__global__ void column_totals_kernel(ColumnOutputs<K> outputs, const float* partial, int64_t count,
                                     int cols) {
  int c = int(blockIdx.x * blockDim.x + threadIdx.x);
  double total[K];
  column_totals(total, partial, count, cols, c, &shared<double>());
  if (threadIdx.y > 0 || c >= cols) return;
  for (int q = 0; q < K; ++q)
    if (outputs.y[q]) outputs.y[q][c] = float(total[q]);
}
template <int K>
void sum_partials(Cuda queue, ColumnOutputs<K> outputs, const float* partial, int64_t count,
                  int cols) {
  if (cols > 0)
    launch(queue, unsigned(div_up(cols, kWarpSize)), kTotalsBlock, kTotalsMemory<K>,
           column_totals_kernel<K>, outputs, partial, count, cols);
}

}  // namespace autodidact
