// NT-Xent on CUDA (logit_tile.h): all rows against all rows but themselves, tile by tile. The first
// pass leaves what lse needs, of each run of tiles; a second launch puts a row's runs together, in
// order. With every row's lse the second pass makes the logits again, weights them by
// p_ij + p_ji, and sums the weighted rows; its runs are added in order as well.
#include <cmath>
#include "kernels/infonce_row.h"
#include "kernels/logit_tile.h"
#include "kernels/ntxent.h"

namespace autodidact {
namespace {

constexpr int kThreads = kTileThreads;

HD int positive_of(int row, int pairs) { return row < pairs ? row + pairs : row - pairs; }

// A block's rows, the tiles it meets, and what lies in them.
template <class T, int kDims>
struct Place {
  const T* z;
  int all, first, rows, run;  // all: 2 pairs
  int dim;
  __device__ __forceinline__ explicit Place(const NtXent<T>& p)
      : z(p.z),
        all(2 * p.pairs),
        first(int(blockIdx.x) * LogitTile<kDims>::kRows),
        rows(all - first < LogitTile<kDims>::kRows ? all - first : LogitTile<kDims>::kRows),
        run(int(blockIdx.y)),
        dim(p.dim) {}
  __device__ __forceinline__ const T* row(int i) const { return z + int64_t(i) * dim; }
  // Rows of a tile from row `begin` on: at least two, since their number and kKeys are even.
  __device__ __forceinline__ int count(int begin) const {
    return all - begin < kKeys ? all - begin : kKeys;
  }
};

template <class T, int kDims>
__global__ void __launch_bounds__(kThreads)
    ntxent_sums_kernel(NtXent<T> p, DeviceRuns cut, RunParts parts) {
  using Sizes = LogitTile<kDims>;
  auto& memory = shared<typename Sizes::Shared>();
  const int x = int(threadIdx.x) % kSide, y = int(threadIdx.x) / kSide;
  const Place<T, kDims> at(p);
  const float scale = 1 / p.temperature;
  LogitSums<kDims> sums;
  sums.start(true);
  auto positive_row = [&](int r) { return at.row(positive_of(at.first + r, p.pairs)); };
  positive_logits<kDims>(sums.positive, memory, at.row(at.first), at.rows, positive_row, p.dim,
                         scale);
  typename Sizes::Logits l;
  for (int tile = cut.first_tile(at.run); tile < cut.first_tile(at.run + 1); ++tile) {
    const int begin = tile * kKeys, count = at.count(begin);
    auto key_row = [&](int j) { return at.row(begin + j); };
    tile_logits<kDims>(l, memory, at.row(at.first), at.rows, key_row, count, p.dim, scale);
    for (int r = 0; r < Sizes::kOfThread; ++r) {
      const int itself = at.first + y * Sizes::kOfThread + r - begin;
      sums.add_tile(r, l[r], memory,
                    [&](int c) { return x * 4 + c < count && x * 4 + c != itself; });
    }
  }
  sums.store(parts, at.run, at.all, at.first, at.rows);
}

// A thread a row.
template <class T>
__global__ void ntxent_rows_kernel(NtXent<T> p, RunParts parts, float* lse, float* row_loss,
                                   int runs) {
  const int row = int(blockIdx.x) * kThreads + int(threadIdx.x), all = 2 * p.pairs;
  if (row >= all) return;
  const RunSums<float> sums{parts.sum + row, parts.max + row, parts.rank + row, all, runs};
  const RowEnd end = end_of_row(parts.positive[row], sums, all, p.temperature, false, true);
  row_loss[row] = float(end.loss);
  lse[row] = float(end.loss + double(parts.positive[row]));
  if (p.rank) p.rank[row] = end.rank;
}

// weighted: [runs, rows, dim]
template <class T, int kDims>
__global__ void __launch_bounds__(kThreads)
    ntxent_gradient_kernel(NtXent<T> p, DeviceRuns cut, const float* lse, float* weighted) {
  using Sizes = LogitTile<kDims>;
  auto& memory = shared<typename Sizes::Shared>();
  const int x = int(threadIdx.x) % kSide, y = int(threadIdx.x) / kSide;
  const Place<T, kDims> at(p);
  const int column = int(blockIdx.z) * kDims;
  const int columns = p.dim - column < kDims ? p.dim - column : kDims;
  const float scale = 1 / p.temperature;
  float own[Sizes::kOfThread];
  for (int r = 0; r < Sizes::kOfThread; ++r) {
    const int row = y * Sizes::kOfThread + r;
    own[r] = row < at.rows ? lse[at.first + row] : 0.0f;
  }
  typename Sizes::Logits l;
  typename Sizes::Weighted sums = {};
  for (int tile = cut.first_tile(at.run); tile < cut.first_tile(at.run + 1); ++tile) {
    const int begin = tile * kKeys, count = at.count(begin);
    auto key_row = [&](int j) { return at.row(begin + j); };
    tile_logits<kDims>(l, memory, at.row(at.first), at.rows, key_row, count, p.dim, scale);
    for (int c = 0; c < 4; ++c) {
      const int j = x * 4 + c;
      const float others = j < count ? lse[begin + j] : 0.0f;
      for (int r = 0; r < Sizes::kOfThread; ++r) {
        const int row = at.first + y * Sizes::kOfThread + r;
        float weight = exp(l[r][c] - own[r]) + exp(l[r][c] - others);
        if (begin + j == positive_of(row, p.pairs)) weight -= 2;
        if (begin + j == row) weight = 0;
        memory.p[j][y * Sizes::kOfThread + r] = weight;
      }
    }
    add_weighted_keys<kDims>(sums, memory, at.row(begin), count, p.dim, column, columns);
  }
  store_weighted<kDims>(weighted + (int64_t(at.run) * at.all + at.first) * p.dim, sums, at.rows,
                        p.dim, column, columns);
}

// dz = the runs' sums / (t rows).   With one run `weighted` may be dz.
__global__ void ntxent_total_kernel(float* dz, const float* weighted, int64_t numbers, int runs,
                                    float factor) {
  const int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= numbers) return;
  float total = weighted[i];
  for (int r = 1; r < runs; ++r) total += weighted[r * numbers + i];
  dz[i] = factor * total;
}

template <int kDims, class T>
void launch_ntxent(Cuda queue, NtXent<T> p) {
  using Sizes = LogitTile<kDims>;
  constexpr size_t kMemory = sizeof(typename Sizes::Shared);
  const int all = 2 * p.pairs;
  const DeviceRuns cut(all, all, p.dim, Sizes::kRows, kDims);
  RunScratch scratch(queue, cut.runs, all);
  DeviceScratch<float> lse(queue, all), row_loss(queue, all);
  launch(queue, dim3(unsigned(cut.tiles), unsigned(cut.runs)), kThreads, kMemory,
         ntxent_sums_kernel<T, kDims>, p, cut, scratch.parts());
  launch(queue, unsigned((all + kThreads - 1) / kThreads), kThreads, 0, ntxent_rows_kernel<T>, p,
         scratch.parts(), lse.data(), row_loss.data(), cut.runs);
  if (p.loss) mean_of_rows(queue, p.loss, row_loss.data(), all);
  if (!p.dz) return;
  const int64_t numbers = int64_t(all) * p.dim;
  DeviceScratch<float> partial(queue, cut.runs > 1 ? cut.runs * numbers : 0);
  float* weighted = cut.runs > 1 ? partial.data() : p.dz;
  launch(queue, dim3(unsigned(cut.tiles), unsigned(cut.runs), unsigned(cut.chunks)), kThreads,
         kMemory, ntxent_gradient_kernel<T, kDims>, p, cut, lse.data(), weighted);
  launch(queue, unsigned((numbers + kThreads - 1) / kThreads), kThreads, 0, ntxent_total_kernel,
         p.dz, weighted, numbers, cut.runs, 1 / (p.temperature * float(all)));
}

}  // namespace

template <class T>
void run(Cuda queue, NtXent<T> p) {
  choose_dims(p.dim, [&](auto dims) { launch_ntxent<dims()>(queue, p); });
}

template void run(Cuda, NtXent<float>);
template void run(Cuda, NtXent<bf16>);

}  // namespace autodidact
