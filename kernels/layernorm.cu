// LayerNorm on CUDA: a row of threads for each row of x. Backward reads x and dy once: a thread
// keeps one pack of columns, and adds up their dgamma and dbeta over the block's rows as it goes.
// Rows too long for that get dgamma and dbeta from a second pass.
#include "kernels/layernorm.h"
#include "kernels/columns.h"
#include "kernels/whole_store.h"

namespace autodidact {
namespace {

constexpr int kMostThreads = 512;
// Blocks that write partials: enough to fill a device, and 4 MiB of partials at most.
int most_blocks(int cols) { return std::clamp((1 << 19) / cols, 128, 512); }

template <int N, class T>
__global__ void layernorm_forward_kernel(LayerNormForward<T> p) {
  auto& memory = shared<RowMemory<float>>();
  int64_t r = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  int cols = r < p.rows ? p.cols : 0, first = int(threadIdx.x) * N, step = int(blockDim.x) * N;
  const T* x = p.x + r * p.cols;
  float total = 0, squares = 0;
  for (int c = first; c < cols; c += step) {
    auto v = load_acc<N>(x + c);
    for (int j = 0; j < N; ++j) total += v.v[j];
  }
  float mean = row_sum(total, memory) / float(p.cols);
  for (int c = first; c < cols; c += step) {
    auto v = load_acc<N>(x + c);
    for (int j = 0; j < N; ++j) squares = fma(v.v[j] - mean, v.v[j] - mean, squares);
  }
  float rstd = 1 / sqrt(row_sum(squares, memory) / float(p.cols) + p.eps);
  for (int c = first; c < cols; c += step) {
    auto v = load_acc<N>(x + c), gamma = load<N>(p.gamma + c), beta = load<N>(p.beta + c);
    for (int j = 0; j < N; ++j) v.v[j] = fma(gamma.v[j], (v.v[j] - mean) * rstd, beta.v[j]);
    store_acc<N>(p.y + r * p.cols + c, v);
  }
  if (threadIdx.x > 0 || cols == 0) return;
  if (p.mean) p.mean[r] = mean;
  if (p.rstd) p.rstd[r] = rstd;
}

struct BackwardMemory {
  RowMemory<float> h, h_xhat;
};

// With xhat = (x - mean) rstd, h = gamma dy and means over the row:
// dx = rstd (h - mean(h) - xhat mean(h xhat)). The block does `grain` rows. kParameters: each
// thread has one pack of columns, and partial gets the sums of dy xhat and of dy over the rows.
// partial: [block, 2, cols]
template <int N, bool kParameters, class T>
__global__ void __launch_bounds__(kMostThreads)
    layernorm_backward_kernel(LayerNormBackward<T> p, float* partial, int64_t grain) {
  auto& memory = shared<BackwardMemory>();
  int first = int(threadIdx.x) * N, step = int(blockDim.x) * N;
  int64_t begin = blockIdx.x * grain, end = begin + grain < p.rows ? begin + grain : p.rows;
  float sums[2 * N] = {};
  for (int64_t base = begin; base < end; base += blockDim.y) {
    int64_t r = base + threadIdx.y;
    int cols = r < end ? p.cols : 0;
    float mean = cols ? p.mean[r] : 0, rstd = cols ? p.rstd[r] : 0, h = 0, h_xhat = 0;
    for (int c = first; c < cols; c += step) {
      auto x = load_acc<N>(p.x + r * p.cols + c), dy = load_acc<N>(p.dy + r * p.cols + c);
      auto gamma = load<N>(p.gamma + c);
      for (int j = 0; j < N; ++j) {
        float g = gamma.v[j] * dy.v[j], xhat = (x.v[j] - mean) * rstd;
        h += g;
        h_xhat = fma(g, xhat, h_xhat);
        if constexpr (kParameters) {
          sums[j] = fma(dy.v[j], xhat, sums[j]);
          sums[N + j] += dy.v[j];
        }
      }
    }
    h = row_sum(h, memory.h) / float(p.cols);
    h_xhat = row_sum(h_xhat, memory.h_xhat) / float(p.cols);
    for (int c = first; p.dx && c < cols; c += step) {
      auto x = load_acc<N>(p.x + r * p.cols + c), dy = load_acc<N>(p.dy + r * p.cols + c);
      auto gamma = load<N>(p.gamma + c);
      for (int j = 0; j < N; ++j) {
        float xhat = (x.v[j] - mean) * rstd;
        x.v[j] = rstd * (gamma.v[j] * dy.v[j] - h - xhat * h_xhat);
      }
      store_acc_whole<N>(p.dx + r * p.cols + c, x);
    }
  }
  if constexpr (kParameters) {
    sum_over_y(sums, &shared<float>());
    if (threadIdx.y > 0 || first >= p.cols) return;
    for (int q = 0; q < 2; ++q)
      for (int j = 0; j < N; ++j)
        partial[(int64_t(blockIdx.x) * 2 + q) * p.cols + first + j] = sums[q * N + j];
  }
}

// The same sums in a pass of their own.
template <int N, class T>
__global__ void layernorm_parameters_kernel(LayerNormBackward<T> p, float* partial,
                                            ColumnChunks chunks) {
  ColumnWalk w = column_walk<N>(chunks);
  float sums[2 * N] = {};
  for (int64_t r = w.first; r < w.end; r += w.step) {
    auto x = load_acc<N>(p.x + r * p.cols + w.col), dy = load_acc<N>(p.dy + r * p.cols + w.col);
    float mean = p.mean[r], rstd = p.rstd[r];
    for (int j = 0; j < N; ++j) {
      sums[j] = fma(dy.v[j], (x.v[j] - mean) * rstd, sums[j]);
      sums[N + j] += dy.v[j];
    }
  }
  sum_over_y(sums, &shared<float>());
  store_partials<N, 2>(partial, sums, w, chunks);
}

}  // namespace

template <class T>
void run(Cuda queue, LayerNormForward<T> p) {
  if (p.rows == 0) return;
  constexpr int N = kPack<T>;
  bool packs = p.cols % N == 0 && aligned(p.y, p.x, p.gamma, p.beta);
  choose_pack<N>(packs, [&](auto pack) {
    dim3 block = row_block(p.cols, pack());
    launch(queue, unsigned(div_up(p.rows, block.y)), block, sizeof(RowMemory<float>),
           layernorm_forward_kernel<pack(), T>, p);
  });
}

template <class T>
void run(Cuda queue, LayerNormBackward<T> p) {
  constexpr int N = kPack<T>;
  bool packs = p.cols % N == 0 && aligned(p.dx, p.dy, p.x, p.gamma);
  choose_pack<N>(packs, [&](auto pack) {
    bool parameters = p.dgamma || p.dbeta;
    bool together = parameters && p.cols <= kMostThreads * pack();
    dim3 block = row_block(p.cols, pack(), kMostThreads);
    int64_t grain =
        div_up(std::max<int64_t>(div_up(p.rows, most_blocks(p.cols)), 1), block.y) * block.y;
    int64_t blocks = div_up(p.rows, grain);
    auto chunks = column_chunks(p.rows, p.cols, 1, pack(), most_blocks(p.cols));
    int64_t partials = !parameters ? 0 : together ? blocks : chunks.count();
    DeviceScratch<float> partial(queue, 2 * partials * p.cols);
    if (together && blocks > 0)
      launch(queue, unsigned(blocks), block,
             std::max(sizeof(BackwardMemory), sums_memory(block, 2 * pack(), sizeof(float))),
             layernorm_backward_kernel<pack(), true, T>, p, partial.data(), grain);
    if (!together && p.dx && blocks > 0)
      launch(queue, unsigned(blocks), block, sizeof(BackwardMemory),
             layernorm_backward_kernel<pack(), false, T>, p, nullptr, grain);
    if (!together && parameters)
      launch(queue, chunks.grid, chunks.block, sums_memory(chunks.block, 2 * pack(), sizeof(float)),
             layernorm_parameters_kernel<pack(), T>, p, partial.data(), chunks);
    if (parameters) sum_partials<2>(queue, {{p.dgamma, p.dbeta}}, partial.data(), partials, p.cols);
  });
}

template void run(Cuda, LayerNormForward<float>);
template void run(Cuda, LayerNormForward<bf16>);
template void run(Cuda, LayerNormBackward<float>);
template void run(Cuda, LayerNormBackward<bf16>);

}  // namespace autodidact
