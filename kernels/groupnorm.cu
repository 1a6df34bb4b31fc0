// GroupNorm on CUDA: one block for a tile of whole groups of one sample. It sums each channel over
// the pixels, then the channels of each group, and writes from its second reading of the sample,
// which it finds in cache. dgamma and dbeta: the samples' sums, added in a launch of their own.
#include "kernels/groupnorm.h"
#include <numeric>
#include "kernels/normalize.h"

namespace autodidact {
namespace {

// The channels of a tile lie at [0, channels) of each of these tables in shared memory.
struct Tile {
  int sample, first, channels;  // first: the tile's first channel
  int groups;                   // of the tile
  float *sums, *one, *two, *three;
};
// How a launch is cut: `across` tiles of `tile` channels a sample.
struct Tiles {
  int channels, groups, tile, across, sums;  // sums: floats of shared memory before the tables
  int64_t pixels;
  dim3 block;
  size_t shared_bytes() const { return sizeof(float) * size_t(sums + 3 * tile); }
};
// A tile is whole groups and whole packs, and at least 64 bytes of a pixel.
Tiles tiles_of(int pixels, int channels, int groups, int pack, size_t size) {
  int unit = std::lcm(channels / groups, pack), least = int(div_up(64, unit * int64_t(size)));
  int tile = std::min(unit * least, channels);
  dim3 block = column_block(tile, pack);
  int sums = int(sums_memory(block, 2 * pack, 1));
  return {channels, groups, tile, int(div_up(channels, tile)), sums, pixels, block};
}

__device__ __forceinline__ Tile tile_of_block(const Tiles& t) {
  Tile k;
  k.sample = int(blockIdx.x) / t.across;
  k.first = int(blockIdx.x) % t.across * t.tile;
  k.channels = t.channels - k.first < t.tile ? t.channels - k.first : t.tile;
  k.groups = k.channels / (t.channels / t.groups);
  k.sums = &shared<float>();
  k.one = k.sums + t.sums, k.two = k.one + t.tile, k.three = k.two + t.tile;
  return k;
}

// f(c, inside) for each pack [c, c + N) of the tile that is this thread's; all threads call it
// equally often.
template <int N, class F>
__device__ __forceinline__ void for_packs(const Tile& k, F f) {
  int x = int(threadIdx.x) * N;
  for (int base = 0; base < k.channels; base += int(blockDim.x) * N)
    f(base + x, base + x < k.channels);
}

// f(group of the sample, its first channel in the tile, lane), a warp for each group of the tile.
template <class F>
__device__ __forceinline__ void for_groups(const Tile& k, int width, F f) {
  int thread = int(threadIdx.y * blockDim.x + threadIdx.x);
  for (int g = thread / kWarpSize; g < k.groups; g += kColumnThreads / kWarpSize)
    f(k.first / width + g, g * width, thread % kWarpSize);
}

template <int N, class T>
__global__ void groupnorm_forward_kernel(GroupNormForward<T> p, Tiles t) {
  Tile k = tile_of_block(t);
  int64_t at = k.sample * t.pixels * t.channels + k.first;
  int width = t.channels / t.groups;
  float *means = k.one, *squares = k.two;
  for_packs<N>(k, [&](int c, bool inside) {
    const T* x = p.x + at + c;
    auto near = first_rows_mean<N>(x, t.pixels, t.channels, inside, k.sums);
    float sums[2 * N] = {};
    if (inside) add_squares<N>(sums, x, near, threadIdx.y, t.pixels, int(blockDim.y), t.channels);
    sum_over_y(sums, k.sums);
    if (!inside || threadIdx.y > 0) return;
    for (int j = 0; j < N; ++j) {
      float d = sums[j] / float(t.pixels);
      means[c + j] = near.v[j] + d;
      squares[c + j] = max(sums[N + j] - sums[j] * d, 0.0f);
    }
  });
  __syncthreads();
  // A group's squared deviations: within its channels, and of the channels' means. Then the tables
  // become x scale + shift = gamma (x - mean) rstd + beta.
  for_groups(k, width, [&](int group, int first, int lane) {
    double sum = 0, m2 = 0;
    for (int c = first + lane; c < first + width; c += kWarpSize) sum += double(means[c]);
    double mean = warp_sum(sum) / width;
    for (int c = first + lane; c < first + width; c += kWarpSize) {
      double d = double(means[c]) - mean;
      m2 += double(squares[c]) + double(t.pixels) * d * d;
    }
    double rstd = 1 / sqrt(warp_sum(m2) / (double(t.pixels) * width) + double(p.eps));
    for (int c = first + lane; c < first + width; c += kWarpSize) {
      float scale = float(double(p.gamma[k.first + c]) * rstd);
      means[c] = scale;
      squares[c] = p.beta[k.first + c] - float(mean) * scale;
    }
    if (lane > 0) return;
    int64_t i = int64_t(k.sample) * t.groups + group;
    if (p.mean) p.mean[i] = float(mean);
    if (p.rstd) p.rstd[i] = float(rstd);
  });
  __syncthreads();
  for_packs<N>(k, [&](int c, bool inside) {
    if (!inside) return;
    scale_shift_rows<N>(p.y + at + c, p.x + at + c, p.residual ? p.residual + at + c : nullptr,
                        p.relu, load<N>(means + c), load<N>(squares + c), threadIdx.y, t.pixels,
                        int(blockDim.y), t.channels);
  });
}

// The mean of each channel's group.
template <int N, class T>
__device__ __forceinline__ Pack<N, float> group_means(const GroupNormBackward<T>& p, const Tiles& t,
                                                      const Tile& k, int c) {
  Pack<N, float> mean;
  int width = t.channels / t.groups;
  for (int j = 0; j < N; ++j)
    mean.v[j] = p.mean[int64_t(k.sample) * t.groups + (k.first + c + j) / width];
  return mean;
}

// With xhat = (x - mean) rstd, h = gamma g and means over the m elements of a group:
// dx = rstd (h - mean(h) - xhat mean(h xhat)). partial gets the sample's sums of g xhat and of g.
// partial: [samples, 2, channels], or null
template <int N, class T>
__global__ void groupnorm_backward_kernel(GroupNormBackward<T> p, Tiles t, float* partial) {
  Tile k = tile_of_block(t);
  int64_t at = k.sample * t.pixels * t.channels + k.first;
  int width = t.channels / t.groups;
  const T* y = p.relu ? p.y + at : nullptr;
  float *a = k.one, *b = k.two, *c0 = k.three;  // at first b: sum g (x - mean), c0: sum g
  for_packs<N>(k, [&](int c, bool inside) {
    float sums[2 * N] = {};
    if (inside)
      add_gradient_sums<N>(sums, p.dy + at + c, p.x + at + c, y ? y + c : nullptr,
                           group_means<N>(p, t, k, c), threadIdx.y, t.pixels, int(blockDim.y),
                           t.channels);
    sum_over_y(sums, k.sums);
    if (!inside || threadIdx.y > 0) return;
    for (int j = 0; j < N; ++j) c0[c + j] = sums[j], b[c + j] = sums[N + j];
  });
  __syncthreads();
  for_groups(k, width, [&](int group, int first, int lane) {
    double rstd = double(p.rstd[int64_t(k.sample) * t.groups + group]);
    double h = 0, h_x = 0, m = double(t.pixels) * width;
    for (int c = first + lane; c < first + width; c += kWarpSize) {
      double gamma = double(p.gamma[k.first + c]);
      h += gamma * double(c0[c]), h_x += gamma * double(b[c]);
    }
    h = warp_sum(h), h_x = warp_sum(h_x);
    for (int c = first + lane; c < first + width; c += kWarpSize) {
      int64_t i = int64_t(k.sample) * 2 * t.channels + k.first + c;
      if (partial) partial[i] = float(double(b[c]) * rstd), partial[i + t.channels] = c0[c];
      a[c] = float(double(p.gamma[k.first + c]) * rstd);
      b[c] = float(-rstd * rstd * rstd * h_x / m);
      c0[c] = float(-rstd * h / m);
    }
  });
  if (!p.dx && !(y && p.dresidual)) return;
  __syncthreads();
  for_packs<N>(k, [&](int c, bool inside) {
    if (!inside) return;
    gradient_rows<N>(p.dx ? p.dx + at + c : nullptr, p.dresidual ? p.dresidual + at + c : nullptr,
                     p.dy + at + c, p.x + at + c, y ? y + c : nullptr, load<N>(a + c),
                     load<N>(b + c), load<N>(c0 + c), group_means<N>(p, t, k, c), threadIdx.y,
                     t.pixels, int(blockDim.y), t.channels);
  });
}

}  // namespace

template <class T>
void run(Cuda queue, GroupNormForward<T> p) {
  if (p.samples == 0) return;
  constexpr int N = kPack<T>;
  choose_pack<N>(p.channels % N == 0 && aligned(p.y, p.x, p.residual), [&](auto pack) {
    Tiles t = tiles_of(p.pixels, p.channels, p.groups, pack(), sizeof(T));
    launch(queue, unsigned(p.samples * t.across), t.block, t.shared_bytes(),
           groupnorm_forward_kernel<pack(), T>, p, t);
  });
}

template <class T>
void run(Cuda queue, GroupNormBackward<T> p) {
  constexpr int N = kPack<T>;
  bool packs = p.channels % N == 0 && aligned(p.dx, p.dresidual, p.dy, p.x, p.y);
  bool parameters = p.dgamma || p.dbeta;
  DeviceScratch<float> partial(queue, parameters ? int64_t(p.samples) * 2 * p.channels : 0);
  if (p.samples > 0)
    choose_pack<N>(packs, [&](auto pack) {
      Tiles t = tiles_of(p.pixels, p.channels, p.groups, pack(), sizeof(T));
      launch(queue, unsigned(p.samples * t.across), t.block, t.shared_bytes(),
             groupnorm_backward_kernel<pack(), T>, p, t, partial.data());
    });
  if (parameters)
    sum_partials<2>(queue, {{p.dgamma, p.dbeta}}, partial.data(), p.samples, p.channels);
}

template void run(Cuda, GroupNormForward<float>);
template void run(Cuda, GroupNormForward<bf16>);
template void run(Cuda, GroupNormBackward<float>);
template void run(Cuda, GroupNormBackward<bf16>);

}  // namespace autodidact
