// Reductions on CUDA. Over rows: columns.h. Over everything: one partial a block, then the partials
// by the same kernel.
#include "kernels/reduction.h"
#include "kernels/columns.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256, kMostBlocks = 512;

template <int N, class T>
__global__ void sum_rows_kernel(float* partial, SumRows<T> p, ColumnChunks chunks) {
  ColumnWalk w = column_walk<N>(chunks);
  float total[N] = {};
  for (int64_t r = w.first; r < w.end; r += w.step) {
    auto x = load_acc<N>(p.x + r * p.cols + w.col);
    for (int j = 0; j < N; ++j) total[j] += x.v[j];
  }
  sum_over_y(total, &shared<float>());
  store_partials<N, 1>(partial, total, w, chunks);
}

// y[block] = scale times the sum of the block's x, or of its squares.
template <int N, bool kSquares, class T>
__global__ void sum_all_kernel(float* y, const T* x, int64_t n, double scale) {
  float total = 0;
  int64_t step = int64_t(gridDim.x) * blockDim.x * N;
  for (int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * N; i < n; i += step)
    if (i + N <= n) {
      auto v = load_acc<N>(x + i);
      for (int j = 0; j < N; ++j) total = kSquares ? fma(v.v[j], v.v[j], total) : total + v.v[j];
    } else {
      for (int64_t k = i; k < n; ++k) {
        float v = float(x[k]);
        total = kSquares ? fma(v, v, total) : total + v;
      }
    }
  total = row_sum(total, shared<RowMemory<float>>());
  if (threadIdx.x == 0) y[blockIdx.x] = float(scale * double(total));
}

template <bool kSquares, class T>
void sum_all(Cuda queue, float* y, const T* x, int64_t n, double scale, unsigned blocks) {
  choose_pack<kPack<T>>(aligned(x), [&](auto pack) {
    launch(queue, blocks, kThreads, sizeof(RowMemory<float>), sum_all_kernel<pack(), kSquares, T>,
           y, x, n, scale);
  });
}
template <bool kSquares, class T>
void sum_in_two_stages(Cuda queue, float* y, const T* x, int64_t n, double scale) {
  int64_t blocks = std::min<int64_t>(div_up(n, 4 * kThreads * kPack<T>), kMostBlocks);
  if (blocks <= 1) return sum_all<kSquares>(queue, y, x, n, scale, 1);
  DeviceScratch<float> partial(queue, blocks);
  sum_all<kSquares>(queue, partial.data(), x, n, 1, unsigned(blocks));
  sum_all<false>(queue, y, static_cast<const float*>(partial.data()), blocks, scale, 1);
}

template <int N, class T>
__global__ void spread_cols_kernel(SpreadCols<T> p, ColumnChunks chunks) {
  ColumnWalk w = column_walk<N>(chunks);
  for (int64_t r = w.first; r < w.end; r += w.step)
    store_acc<N>(p.dx + r * p.cols + w.col, repeated<N>(float(p.scale * double(p.dy[r]))));
}

}  // namespace

template <class T>
void run(Cuda queue, SumRows<T> p) {
  if (p.cols == 0) return;
  bool packs = p.cols % kPack<T> == 0 && aligned(p.x, p.y);
  choose_pack<kPack<T>>(packs, [&](auto pack) {
    auto chunks = column_chunks(p.rows, p.cols, 1, pack(), kMostBlocks);
    bool one = chunks.count() == 1;
    DeviceScratch<float> partial(queue, one ? 0 : chunks.count() * p.cols);
    launch(queue, chunks.grid, chunks.block, sums_memory(chunks.block, pack(), sizeof(float)),
           sum_rows_kernel<pack(), T>, one ? p.y : partial.data(), p, chunks);
    if (!one) sum_partials<1>(queue, {{p.y}}, partial.data(), chunks.count(), p.cols);
  });
}

template <class T>
void run(Cuda queue, SumAll<T> p) {
  sum_in_two_stages<false>(queue, p.y, p.x, p.n, p.scale);
}
template <class T>
void run(Cuda queue, SumOfSquares<T> p) {
  sum_in_two_stages<true>(queue, p.y, p.x, p.n, 1);
}

template <class T>
void run(Cuda queue, SpreadCols<T> p) {
  if (p.rows == 0 || p.cols == 0) return;
  choose_pack<kPack<T>>(p.cols % kPack<T> == 0 && aligned(p.dx), [&](auto pack) {
    auto chunks = column_chunks(p.rows, p.cols, 1, pack(), 4 * kMostBlocks);
    launch(queue, chunks.grid, chunks.block, 0, spread_cols_kernel<pack(), T>, p, chunks);
  });
}

#define INSTANCES(T)                        \
  template void run(Cuda, SumRows<T>);      \
  template void run(Cuda, SumAll<T>);       \
  template void run(Cuda, SumOfSquares<T>); \
  template void run(Cuda, SpreadCols<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
