// Noise-contrastive estimation on CUDA. A block has a row of v and kColumns<N> columns of dv (dim
// above that takes several blocks, each with the logits of its own). A warp takes 32 of the noise
// at a time: dot products by all lanes together, what follows from a logit in double by a lane
// each, then their weighted rows, which lie in cache, by all lanes again. A second launch takes the
// means.
#include "kernels/columns.h"
#include "kernels/nce.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarpSize;
constexpr int kOfLane = 4;  // packs of dv
template <int N>
constexpr int kColumns = kWarpSize* kOfLane* N;

template <int N>
union NceMemory {
  float dv[kWarps][kColumns<N>];
  RowMemory<double> real;
  RowMemory<int32_t> whole;
};

// log(1 + e^x) and its derivative.
struct Softplus {
  double value, slope;
  __device__ __forceinline__ explicit Softplus(double x) {
    const double e = exp(-abs(x)), share = 1 / (1 + e);
    value = max(x, 0.0) + log1p(e);
    slope = x < 0 ? e * share : share;
  }
};

// A row's loss, and its sum of exponentials.   both: [batch]
struct NceRows {
  double *loss, *sum;
};

template <int N, class T>
__global__ void __launch_bounds__(kThreads) nce_rows_kernel(Nce<T> p, NceRows rows) {
  auto& memory = shared<NceMemory<N>>();
  const int64_t row = blockIdx.x;
  const int lane = int(threadIdx.x) % kWarpSize, warp = int(threadIdx.x) / kWarpSize;
  const int column = int(blockIdx.y) * kColumns<N> + lane * N;
  const T* v = p.v + row * p.dim;
  const int64_t* noise = p.noise + row * p.negatives;
  const double temperature = double(p.temperature), shift = double(p.shift);
  const double scale = 1 / (temperature * p.batch);

  auto is_row = [&](int64_t j) { return j >= 0 && j < p.rows; };
  auto dot = [&](int64_t j) {  // NaN where there is no row j
    if (!is_row(j)) return NAN;
    float sum = 0;
    for (int c = lane * N; c < p.dim; c += kWarpSize * N) {
      const auto a = load_acc<N>(v + c), b = load_acc<N>(p.bank + j * p.dim + c);
      for (int k = 0; k < N; ++k) sum = fma(a.v[k], b.v[k], sum);
    }
    return warp_sum(sum);
  };
  float dv[kOfLane][N] = {};
  auto add = [&](float weight, int64_t j) {
    const T* of_bank = p.bank + (is_row(j) ? j : 0) * p.dim;  // its weight is NaN
    UNROLL
    for (int q = 0; q < kOfLane; ++q) {
      const int c = column + q * kWarpSize * N;
      if (c >= p.dim) continue;
      const auto b = load_acc<N>(of_bank + c);
      for (int k = 0; k < N; ++k) dv[q][k] = fma(weight, b.v[k], dv[q][k]);
    }
  };

  const double own = double(dot(p.own[row])) / temperature;
  double total = 0, sum = 0;
  int32_t rank = 0;
  if (warp == 0) {
    const Softplus cost(shift - own);
    if (lane == 0) total = cost.value, sum = exp(own);
    if (p.dv) add(float(-cost.slope * scale), p.own[row]);
  }
  for (int begin = warp * kWarpSize; begin < p.negatives; begin += kThreads) {
    const int count = p.negatives - begin < kWarpSize ? p.negatives - begin : kWarpSize;
    float mine = 0, weight = 0;
    for (int i = 0; i < count; ++i) {
      const float of_noise = dot(noise[begin + i]);
      if (i == lane) mine = of_noise;
    }
    if (lane < count) {
      const double logit = double(mine) / temperature;
      const Softplus cost(logit - shift);
      total += cost.value, sum += exp(logit);
      rank += logit > own;
      weight = float(cost.slope * scale);
    }
    for (int i = 0; p.dv && i < count; ++i) add(__shfl_sync(~0u, weight, i), noise[begin + i]);
  }

  total = row_sum(total, memory.real), sum = row_sum(sum, memory.real);
  rank = row_sum(rank, memory.whole);
  if (threadIdx.x == 0 && blockIdx.y == 0) {
    rows.loss[row] = total, rows.sum[row] = sum;
    if (p.rank) p.rank[row] = rank;
  }
  if (!p.dv) return;
  __syncthreads();  // the sums may still be read
  for (int q = 0; q < kOfLane; ++q)
    for (int k = 0; k < N; ++k) memory.dv[warp][(q * kWarpSize + lane) * N + k] = dv[q][k];
  __syncthreads();
  const int first = int(blockIdx.y) * kColumns<N>;
  for (int c = int(threadIdx.x); c < kColumns<N> && first + c < p.dim; c += kThreads) {
    float value = memory.dv[0][c];
    for (int w = 1; w < kWarps; ++w) value += memory.dv[w][c];
    p.dv[row * p.dim + first + c] = value;
  }
}

// candidates: own rows and noise, all together
__global__ void nce_means_kernel(float* loss, float* log_mean, NceRows rows, int batch,
                                 double candidates) {
  auto& memory = shared<RowMemory<double>>();
  double total = 0, sum = 0;
  for (int row = int(threadIdx.x); row < batch; row += kThreads)
    total += rows.loss[row], sum += rows.sum[row];
  total = row_sum(total, memory), sum = row_sum(sum, memory);
  if (threadIdx.x > 0) return;
  if (loss) *loss = float(total / batch);
  if (log_mean) *log_mean = float(log(sum / candidates));
}

}  // namespace

template <class T>
void run(Cuda queue, Nce<T> p) {
  DeviceScratch<double> loss(queue, p.batch), sum(queue, p.batch);
  const NceRows rows{loss.data(), sum.data()};
  choose_pack<kPack<T>>(p.dim % kPack<T> == 0 && aligned(p.v, p.bank), [&](auto pack) {
    const dim3 grid(unsigned(p.batch), p.dv ? unsigned(div_up(p.dim, kColumns<pack()>)) : 1);
    launch(queue, grid, kThreads, sizeof(NceMemory<pack()>), nce_rows_kernel<pack(), T>, p, rows);
  });
  launch(queue, 1, kThreads, sizeof(RowMemory<double>), nce_means_kernel, p.loss, p.log_mean, rows,
         p.batch, double(p.batch) * (p.negatives + 1));
}

template void run(Cuda, Nce<float>);
template void run(Cuda, Nce<bf16>);

}  // namespace autodidact
