// InfoNCE over a queue on CUDA (logit_tile.h): logits a tile of keys at a time, exponentials in
// shared memory, their weighted keys in registers; dim above kDims takes several blocks, each with
// the logits of its own. A second launch puts the runs of each row together, in order; a third
// takes the mean.
#include <cmath>
#include "kernels/infonce_row.h"
#include "kernels/logit_tile.h"

namespace autodidact {
namespace {

constexpr int kThreads = kTileThreads;

// Blocks of a multiprocessor that leave a thread the registers it needs: 128 are too few for 256
// dims (8 bytes would spill on sm_100 and sm_120).
constexpr int blocks_at_once(int dims) { return dims == 256 ? 1 : 2; }

// weighted: [runs, batch, dim]
template <class T, int kDims>
__global__ void __launch_bounds__(kThreads, blocks_at_once(kDims))
    infonce_runs_kernel(InfoNce<T> p, DeviceRuns cut, RunParts parts, float* weighted) {
  using Sizes = LogitTile<kDims>;
  auto& memory = shared<typename Sizes::Shared>();
  const int x = int(threadIdx.x) % kSide;
  const int first = int(blockIdx.x) * Sizes::kRows, run = int(blockIdx.y);
  const int rows = p.batch - first < Sizes::kRows ? p.batch - first : Sizes::kRows;
  const int column = int(blockIdx.z) * kDims;
  const int columns = p.dim - column < kDims ? p.dim - column : kDims;
  const float scale = 1 / p.temperature;
  const T* q = p.q + int64_t(first) * p.dim;

  LogitSums<kDims> sums;
  sums.start(!needs_no_maximum(p.temperature, p.unit));
  auto positive_row = [&](int r) { return p.k + int64_t(first + r) * p.dim; };
  positive_logits<kDims>(sums.positive, memory, q, rows, positive_row, p.dim, scale);
  typename Sizes::Logits l;
  typename Sizes::Weighted dq = {};
  for (int tile = cut.first_tile(run); tile < cut.first_tile(run + 1); ++tile) {
    const int64_t key = int64_t(tile) * kKeys;
    const int count = p.keys - key < kKeys ? int(p.keys - key) : kKeys;
    const T* keys = p.queue + key * p.dim;
    auto key_row = [&](int j) { return keys + int64_t(j) * p.dim; };
    tile_logits<kDims>(l, memory, q, rows, key_row, count, p.dim, scale);
    for (int r = 0; r < Sizes::kOfThread; ++r) {
      const float factor = sums.add_tile(r, l[r], memory, [&](int c) { return x * 4 + c < count; });
      for (int g = 0; g < Sizes::kGroups; ++g)
        for (int c = 0; c < 4; ++c) dq[r][g][c] *= factor;
    }
    if (p.dq) add_weighted_keys<kDims>(dq, memory, keys, count, p.dim, column, columns);
  }

  if (blockIdx.z == 0) sums.store(parts, run, p.batch, first, rows);
  if (p.dq)
    store_weighted<kDims>(weighted + (int64_t(run) * p.batch + first) * p.dim, dq, rows, p.dim,
                          column, columns);
}

// A block a row.
template <class T>
__global__ void infonce_rows_kernel(InfoNce<T> p, RunParts parts, const float* weighted, int runs) {
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
    for (int r = 0; r < runs; ++r) dq += weight[r] * weighted[int64_t(r) * p.batch * p.dim + at];
    p.dq[at] = dq;
  }
}

template <int kDims, class T>
void launch_infonce(Cuda queue, InfoNce<T> p) {
  using Sizes = LogitTile<kDims>;
  const DeviceRuns cut(p.batch, p.keys, p.dim, Sizes::kRows, kDims);
  RunScratch scratch(queue, cut.runs, p.batch);
  DeviceScratch<float> weighted(queue, p.dq ? int64_t(cut.runs) * p.batch * p.dim : 0);
  DeviceScratch<float> row_loss(queue, p.row_loss ? 0 : p.batch);
  if (!p.row_loss) p.row_loss = row_loss.data();
  launch(queue, dim3(unsigned(cut.tiles), unsigned(cut.runs), p.dq ? unsigned(cut.chunks) : 1),
         kThreads, sizeof(typename Sizes::Shared), infonce_runs_kernel<T, kDims>, p, cut,
         scratch.parts(), weighted.data());
  launch(queue, unsigned(p.batch), kThreads, sizeof(float[kBlocksWanted]), infonce_rows_kernel<T>,
         p, scratch.parts(), weighted.data(), cut.runs);
  if (p.loss) mean_of_rows(queue, p.loss, p.row_loss, p.batch);
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
  choose_dims(p.dim, [&](auto dims) { launch_infonce<dims()>(queue, p); });
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
