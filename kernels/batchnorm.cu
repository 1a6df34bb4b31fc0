// BatchNorm on CUDA, each direction in three launches: sums over chunks of rows (partials), then
// what they mean for each channel (tables of a few numbers a channel), then the pass that writes.
// x, and dy in the backward direction, are read once for the sums and once for the result.
#include "kernels/batchnorm.h"
#include "kernels/normalize.h"

namespace autodidact {
namespace {

constexpr int kMostSumBlocks = 512, kMostBlocks = 2048;

// Where the channels' chunk k lies among the tables [splits, channels].
__device__ __forceinline__ int64_t table_entry(const ColumnWalk& w, const ColumnChunks& k) {
  return int64_t(w.part) * k.cols + w.col;
}

// partial: [chunk, 2, channels]; shift: [splits, channels]
template <int N, class T>
__global__ void batchnorm_sums_kernel(float* partial, float* shift, const T* x, ColumnChunks k) {
  float* memory = &shared<float>();
  ColumnWalk w = column_walk<N>(k);
  auto near =
      first_rows_mean<N>(x + w.part * k.rows * k.cols + w.col, k.rows, k.cols, w.inside, memory);
  float sums[2 * N] = {};
  add_squares<N>(sums, x + w.col, near, w.first, w.end, w.step, k.cols);
  sum_over_y(sums, memory);
  store_partials<N, 2>(partial, sums, w, k);
  if (w.inside && threadIdx.y == 0 && int(blockIdx.x) % k.chunks == 0)
    store(shift + table_entry(w, k), near);
}

// shift: [splits, channels], what was subtracted
template <class T>
__global__ void batchnorm_statistics_kernel(BatchNormForward<T> p, const float* shift,
                                            const float* partial, int chunks, int64_t rows) {
  int c = int(blockIdx.x * blockDim.x + threadIdx.x), C = p.channels;
  bool writes = threadIdx.y == 0 && c < C;
  double all_mean = 0, all_var = 0, n = double(rows);
  for (int s = 0; s < p.splits; ++s) {
    double sum[2];
    column_totals(sum, partial + int64_t(s) * chunks * 2 * C, chunks, C, c, &shared<double>());
    if (!writes) continue;
    int64_t i = int64_t(s) * C + c;
    double d = sum[0] / n, m2 = sum[1] - sum[0] * d;
    if (m2 < 0) m2 = 0;
    double m = double(shift[i]) + d;
    p.mean[i] = float(m);
    p.rstd[i] = float(1 / sqrt(m2 / n + double(p.eps)));
    all_mean += m / p.splits;
    all_var += m2 / (n - 1) / p.splits;
  }
  if (!writes || !p.running_mean) return;
  double momentum = double(p.momentum);
  p.running_mean[c] = float((1 - momentum) * double(p.running_mean[c]) + momentum * all_mean);
  p.running_var[c] = float((1 - momentum) * double(p.running_var[c]) + momentum * all_var);
}

// y = act(x scale + shift + residual), where x scale + shift = gamma (x - mean) rstd + beta.
template <int N, class P>
__device__ __forceinline__ void normalize_rows(const P& p, const Pack<N, float>& mean,
                                               Pack<N, float> rstd, const ColumnWalk& w,
                                               int64_t stride) {
  auto shift = p.beta ? load<N>(p.beta + w.col) : repeated<N>(0.0f);
  if (p.gamma) {
    auto gamma = load<N>(p.gamma + w.col);
    for (int j = 0; j < N; ++j) rstd.v[j] *= gamma.v[j];
  }
  for (int j = 0; j < N; ++j) shift.v[j] -= mean.v[j] * rstd.v[j];
  scale_shift_rows<N>(p.y + w.col, p.x + w.col, p.residual ? p.residual + w.col : nullptr, p.relu,
                      rstd, shift, w.first, w.end, w.step, stride);
}

template <int N, class T>
__global__ void batchnorm_forward_kernel(BatchNormApply<T> p, ColumnChunks k) {
  ColumnWalk w = column_walk<N>(k);
  if (!w.inside) return;
  int64_t i = table_entry(w, k);
  normalize_rows<N>(p, load<N>(p.mean + i), load<N>(p.rstd + i), w, k.cols);
}

template <int N, class T>
__global__ void batchnorm_inference_kernel(BatchNormInference<T> p, ColumnChunks k) {
  ColumnWalk w = column_walk<N>(k);
  if (!w.inside) return;
  auto rstd = load<N>(p.running_var + w.col);
  for (int j = 0; j < N; ++j) rstd.v[j] = 1 / sqrt(rstd.v[j] + p.eps);
  if (p.rstd && blockIdx.x == 0 && threadIdx.y == 0) store(p.rstd + w.col, rstd);
  normalize_rows<N>(p, load<N>(p.running_mean + w.col), rstd, w, k.cols);
}

// partial: [chunk, 2, channels]
template <int N, class T>
__global__ void batchnorm_gradient_sums_kernel(float* partial, BatchNormBackward<T> p,
                                               ColumnChunks k) {
  ColumnWalk w = column_walk<N>(k);
  float sums[2 * N] = {};
  if (w.inside)
    add_gradient_sums<N>(sums, p.dy + w.col, p.x + w.col, p.relu ? p.y + w.col : nullptr,
                         load<N>(p.mean + table_entry(w, k)), w.first, w.end, w.step, k.cols);
  sum_over_y(sums, &shared<float>());
  store_partials<N, 2>(partial, sums, w, k);
}

// dx = a g + b (x - mean) + c.
struct GradientTables {
  float *a, *b, *c;  // [splits, channels]
};

// With xhat = (x - mean) rstd and sums over a split's n rows:
// dx = gamma rstd (g - sum(g) / n - xhat sum(g xhat) / n); dgamma = sum(g xhat), dbeta = sum g over
// all splits. Constant statistics: dx = gamma rstd g. chunks: 0 where the sums are not needed.
template <class T>
__global__ void batchnorm_gradient_tables_kernel(GradientTables to, BatchNormBackward<T> p,
                                                 const float* partial, int chunks, int64_t rows) {
  int c = int(blockIdx.x * blockDim.x + threadIdx.x), C = p.channels;
  bool writes = threadIdx.y == 0 && c < C;
  double dgamma = 0, dbeta = 0, n = double(rows);
  for (int s = 0; s < p.splits; ++s) {
    double sum[2];
    column_totals(sum, partial + int64_t(s) * chunks * 2 * C, chunks, C, c, &shared<double>());
    if (!writes) continue;
    int64_t i = int64_t(s) * C + c;
    double rstd = double(p.rstd[i]), scale = (p.gamma ? double(p.gamma[c]) : 1.0) * rstd;
    dgamma += sum[1] * rstd, dbeta += sum[0];
    to.a[i] = float(scale);
    to.b[i] = p.constant_statistics ? 0.0f : float(-scale * rstd * rstd * sum[1] / n);
    to.c[i] = p.constant_statistics ? 0.0f : float(-scale * sum[0] / n);
  }
  if (writes && p.dgamma) p.dgamma[c] = float(dgamma);
  if (writes && p.dbeta) p.dbeta[c] = float(dbeta);
}

template <int N, class T>
__global__ void batchnorm_backward_kernel(BatchNormBackward<T> p, GradientTables t,
                                          ColumnChunks k) {
  ColumnWalk w = column_walk<N>(k);
  if (!w.inside) return;
  int64_t i = table_entry(w, k);
  gradient_rows<N>(p.dx ? p.dx + w.col : nullptr, p.dresidual ? p.dresidual + w.col : nullptr,
                   p.dy + w.col, p.x + w.col, p.relu ? p.y + w.col : nullptr, load<N>(t.a + i),
                   load<N>(t.b + i), load<N>(t.c + i), load<N>(p.mean + i), w.first, w.end, w.step,
                   k.cols);
}

unsigned totals_blocks(int channels) { return unsigned(div_up(channels, kWarpSize)); }

}  // namespace

template <class T>
void run(Cuda queue, BatchNormForward<T> p) {
  constexpr int N = kPack<T>;
  int64_t rows = p.rows / p.splits, table = int64_t(p.splits) * p.channels;
  DeviceScratch<float> own_mean(queue, p.mean ? 0 : table), own_rstd(queue, p.rstd ? 0 : table);
  if (!p.mean) p.mean = own_mean.data();
  if (!p.rstd) p.rstd = own_rstd.data();
  choose_pack<N>(p.channels % N == 0 && aligned(p.x), [&](auto pack) {
    auto sums = column_chunks(rows, p.channels, p.splits, pack(), kMostSumBlocks);
    DeviceScratch<float> partial(queue, 2 * sums.count() * p.channels), shift(queue, table);
    launch(queue, sums.grid, sums.block, sums_memory(sums.block, 2 * pack(), sizeof(float)),
           batchnorm_sums_kernel<pack(), T>, partial.data(), shift.data(), p.x, sums);
    launch(queue, totals_blocks(p.channels), kTotalsBlock, kTotalsMemory<2>,
           batchnorm_statistics_kernel<T>, p, shift.data(), partial.data(), sums.chunks, rows);
  });
  run(queue, BatchNormApply<T>{p.y, p.x, p.mean, p.rstd, p.gamma, p.beta, p.residual, p.rows,
                               p.channels, p.splits, p.relu});
}

template <class T>
void run(Cuda queue, BatchNormApply<T> p) {
  constexpr int N = kPack<T>;
  bool packs =
      p.channels % N == 0 && aligned(p.y, p.x, p.residual, p.mean, p.rstd, p.gamma, p.beta);
  choose_pack<N>(packs, [&](auto pack) {
    auto all = column_chunks(p.rows / p.splits, p.channels, p.splits, pack(), kMostBlocks);
    launch(queue, all.grid, all.block, 0, batchnorm_forward_kernel<pack(), T>, p, all);
  });
}

template <class T>
void run(Cuda queue, BatchNormInference<T> p) {
  constexpr int N = kPack<T>;
  bool packs = p.channels % N == 0 && aligned(p.y, p.x, p.residual, p.rstd, p.gamma, p.beta,
                                              p.running_mean, p.running_var);
  choose_pack<N>(packs, [&](auto pack) {
    auto all = column_chunks(p.rows, p.channels, 1, pack(), kMostBlocks);
    launch(queue, all.grid, all.block, 0, batchnorm_inference_kernel<pack(), T>, p, all);
  });
}

template <class T>
void run(Cuda queue, BatchNormBackward<T> p) {
  constexpr int N = kPack<T>;
  bool packs = p.channels % N == 0 && aligned(p.dx, p.dresidual, p.dy, p.x, p.y, p.mean);
  choose_pack<N>(packs, [&](auto pack) {
    int64_t rows = p.rows / p.splits, table = int64_t(p.splits) * p.channels;
    auto sums = column_chunks(rows, p.channels, p.splits, pack(), kMostSumBlocks);
    auto all = column_chunks(rows, p.channels, p.splits, pack(), kMostBlocks);
    bool needed = p.dgamma || p.dbeta || !p.constant_statistics;
    DeviceScratch<float> partial(queue, needed ? 2 * sums.count() * p.channels : 0);
    DeviceScratch<float> a(queue, table), b(queue, table), c(queue, table);
    GradientTables tables{a.data(), b.data(), c.data()};
    if (needed)
      launch(queue, sums.grid, sums.block, sums_memory(sums.block, 2 * pack(), sizeof(float)),
             batchnorm_gradient_sums_kernel<pack(), T>, partial.data(), p, sums);
    launch(queue, totals_blocks(p.channels), kTotalsBlock, kTotalsMemory<2>,
           batchnorm_gradient_tables_kernel<T>, tables, p, partial.data(), needed ? sums.chunks : 0,
           rows);
    if (p.dx || (p.relu && p.dresidual))
      launch(queue, all.grid, all.block, 0, batchnorm_backward_kernel<pack(), T>, p, tables, all);
  });
}

template void run(Cuda, BatchNormForward<float>);
template void run(Cuda, BatchNormForward<bf16>);
template void run(Cuda, BatchNormApply<float>);
template void run(Cuda, BatchNormApply<bf16>);
template void run(Cuda, BatchNormInference<float>);
template void run(Cuda, BatchNormInference<bf16>);
template void run(Cuda, BatchNormBackward<float>);
template void run(Cuda, BatchNormBackward<bf16>);

}  // namespace autodidact
