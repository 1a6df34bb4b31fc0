// GroupNorm on CUDA. Forward and dx: one block for each group of a sample. dgamma and dbeta: one
// block for 32 channels, its rows of threads over samples and pixels, added in a fixed tree.
#include "kernels/groupnorm.h"
#include "kernels/reduce.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256, kRowsOfThreads = 8;

// The group that a block works on: element e of pixels * width lies at offset(e).
struct GroupOfBlock {
  int sample, group, width, first;  // width: channels in a group; first: the group's first channel
  int64_t size, sample_start;
  int channels;
  __device__ GroupOfBlock(int samples_pixels, int all_channels, int groups)
      : sample(int(blockIdx.x) / groups),
        group(int(blockIdx.x) % groups),
        width(all_channels / groups),
        first(group * width),
        size(int64_t(samples_pixels) * width),
        sample_start(int64_t(sample) * samples_pixels * all_channels),
        channels(all_channels) {}
  __device__ int channel(int64_t e) const { return first + int(e % width); }
  __device__ int64_t offset(int64_t e) const {
    return sample_start + e / width * channels + channel(e);
  }
};

template <class T>
__global__ void groupnorm_forward_kernel(GroupNormForward<T> p) {
  using A = Acc<T>;
  auto& memory = shared<BlockSum<A>>();
  GroupOfBlock g(p.pixels, p.channels, p.groups);
  A sum = 0, squares = 0;
  for (int64_t e = threadIdx.x; e < g.size; e += blockDim.x) sum += A(p.x[g.offset(e)]);
  A mean = block_sum(sum, memory) / A(g.size);
  for (int64_t e = threadIdx.x; e < g.size; e += blockDim.x) {
    A d = A(p.x[g.offset(e)]) - mean;
    squares += d * d;
  }
  A rstd = A(1) / sqrtf(block_sum(squares, memory) / A(g.size) + p.eps);
  for (int64_t e = threadIdx.x; e < g.size; e += blockDim.x) {
    int64_t i = g.offset(e);
    int c = g.channel(e);
    A y = p.gamma[c] * ((A(p.x[i]) - mean) * rstd) + p.beta[c];
    if (p.residual) y += A(p.residual[i]);
    // Written so that NaN stays NaN.
    p.y[i] = T(p.relu && y <= A(0) ? A(0) : y);
  }
  if (threadIdx.x == 0) {
    if (p.mean) p.mean[blockIdx.x] = mean;
    if (p.rstd) p.rstd[blockIdx.x] = rstd;
  }
}

// dy as it arrives before the ReLU.
template <class T>
__device__ __forceinline__ Acc<T> gradient(const GroupNormBackward<T>& p, int64_t i) {
  return p.relu && !(Acc<T>(p.y[i]) > Acc<T>(0)) ? Acc<T>(0) : Acc<T>(p.dy[i]);
}

// dx = rstd (g - mean(g) - xhat mean(g xhat)), g = gamma dy, means over the group.
template <class T>
__global__ void groupnorm_backward_kernel(GroupNormBackward<T> p) {
  using A = Acc<T>;
  auto& memory = shared<BlockSum<A>>();
  GroupOfBlock g(p.pixels, p.channels, p.groups);
  A mean = p.mean[blockIdx.x], rstd = p.rstd[blockIdx.x];
  A sum = 0, with_xhat = 0;
  for (int64_t e = threadIdx.x; e < g.size; e += blockDim.x) {
    int64_t i = g.offset(e);
    A dy = p.gamma[g.channel(e)] * gradient(p, i);
    sum += dy;
    with_xhat += dy * ((A(p.x[i]) - mean) * rstd);
  }
  A mean_dy = block_sum(sum, memory) / A(g.size);
  A mean_with_xhat = block_sum(with_xhat, memory) / A(g.size);
  for (int64_t e = threadIdx.x; e < g.size; e += blockDim.x) {
    int64_t i = g.offset(e);
    A dy = gradient(p, i), xhat = (A(p.x[i]) - mean) * rstd;
    if (p.dx) p.dx[i] = T(rstd * (p.gamma[g.channel(e)] * dy - mean_dy - xhat * mean_with_xhat));
    if (p.dresidual && p.relu) p.dresidual[i] = T(dy);
  }
}

template <class A>
struct ParameterSums {
  A dgamma[kRowsOfThreads][kWarpSize], dbeta[kRowsOfThreads][kWarpSize];
};

// dgamma[c] = sum dy xhat, dbeta[c] = sum dy, over samples and pixels.
template <class T>
__global__ void groupnorm_parameters_kernel(GroupNormBackward<T> p) {
  using A = Acc<T>;
  auto& sums = shared<ParameterSums<A>>();
  int lane = int(threadIdx.x), row = int(threadIdx.y);
  int c = int(blockIdx.x) * kWarpSize + lane, group = c / (p.channels / p.groups);
  A dgamma = 0, dbeta = 0;
  if (c < p.channels)
    for (int64_t r = row; r < int64_t(p.samples) * p.pixels; r += kRowsOfThreads) {
      int64_t s = r / p.pixels * p.groups + group, i = r * p.channels + c;
      A dy = gradient(p, i);
      dgamma += dy * ((A(p.x[i]) - p.mean[s]) * p.rstd[s]);
      dbeta += dy;
    }
  sums.dgamma[row][lane] = dgamma;
  sums.dbeta[row][lane] = dbeta;
  for (int half = kRowsOfThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (row < half) {
      sums.dgamma[row][lane] += sums.dgamma[row + half][lane];
      sums.dbeta[row][lane] += sums.dbeta[row + half][lane];
    }
  }
  if (row == 0 && c < p.channels) {
    if (p.dgamma) p.dgamma[c] = sums.dgamma[0][lane];
    if (p.dbeta) p.dbeta[c] = sums.dbeta[0][lane];
  }
}

}  // namespace

template <class T>
void run(Cuda queue, GroupNormForward<T> p) {
  if (p.samples == 0) return;
  launch(queue, unsigned(p.samples * p.groups), kThreads, sizeof(BlockSum<Acc<T>>),
         groupnorm_forward_kernel<T>, p);
}

template <class T>
void run(Cuda queue, GroupNormBackward<T> p) {
  if (p.dgamma || p.dbeta)
    launch(queue, unsigned((p.channels + kWarpSize - 1) / kWarpSize),
           dim3(kWarpSize, kRowsOfThreads), sizeof(ParameterSums<Acc<T>>),
           groupnorm_parameters_kernel<T>, p);
  if ((p.dx || (p.dresidual && p.relu)) && p.samples > 0)
    launch(queue, unsigned(p.samples * p.groups), kThreads, sizeof(BlockSum<Acc<T>>),
           groupnorm_backward_kernel<T>, p);
}

template void run(Cuda, GroupNormForward<float>);
template void run(Cuda, GroupNormForward<bf16>);
template void run(Cuda, GroupNormBackward<float>);
template void run(Cuda, GroupNormBackward<bf16>);

}  // namespace autodidact
