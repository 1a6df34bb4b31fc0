// Winograd's convolution, the gradient of the weights: for each of the 36 points a product
// [c_out, tiles] x [tiles, c_in] of the transformed gradients and inputs, transformed into 3 x 3
// weights at the end. A task has a group of output channels by a group of input channels, whose
// sums it keeps for all points, and a share of the tiles, taken a block at a time; the shares are
// added in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_weights.cpp"
#include <hwy/foreach_target.h>
#include "kernels/winograd_tiles-inl.h"
#include "kernels/cpu_class.h"

#ifndef AUTODIDACT_KERNELS_WINOGRAD_WEIGHTS_ONCE
#define AUTODIDACT_KERNELS_WINOGRAD_WEIGHTS_ONCE
namespace autodidact {
namespace {

constexpr int kGroupChannels = 128;  // 36 x 128 x 128 sums take 2.4 MB
constexpr int kBlockTiles = 32;
constexpr int kTasksWanted = 8;
constexpr int64_t kShareFloats = 4 << 20;  // of all shares together, beyond one

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How the work is cut: by the sizes alone.
struct WeightCut {
  int outs, ins;  // channels of a group, a vector's multiple
  int64_t out_groups, in_groups, blocks, shares;
  int tiles;  // of a block

  WeightCut(const ConvSizes& s, const WinogradTiles& all) {
    auto group = [](int channels) {
      const int64_t groups = ceil_div(channels, kGroupChannels);
      return int(ceil_div(ceil_div(channels, groups), 16)) * 16;
    };
    outs = group(s.c_out), ins = group(s.c_in);
    out_groups = ceil_div(s.c_out, outs), in_groups = ceil_div(s.c_in, ins);
    blocks = ceil_div(all.count, kBlockTiles);
    tiles = int(ceil_div(all.count, blocks));
    blocks = ceil_div(all.count, tiles);
    const int64_t weights = int64_t(9) * s.c_out * s.c_in;
    shares = std::min({ceil_div(kTasksWanted, out_groups * in_groups), blocks,
                       std::max<int64_t>(1, kShareFloats / weights)});
  }
};

}  // namespace
}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// dw of output channels from k0 on, input channels from c0 on.
// sums: [36][panel of input channels][outs][width], points apart
inline void transform_sums(float* dw, const float* sums, int64_t points, int outs, int ins, int k0,
                           int c0, int c_in) {
  for (int j = 0; j < ins; j += kMaxPanel) {
    const int width = panel_vectors(ins - j) * kLanes;
    for (int k = 0; k < outs; ++k)
      for (int v = 0; v < width && j + v < ins; v += kLanes) {
        const float* from = sums + int64_t(outs) * j + int64_t(k) * width + v;
        float* to = dw + (int64_t(k0 + k) * 9) * c_in + c0 + j + v;
        const auto lanes = hn::FirstN(F32(), size_t(std::min(kLanes, ins - j - v)));
        map_both_ways<WeightGradientMap>(
            [&](int y, int x) HWY_ATTR { return hn::Load(F32(), from + (y * 6 + x) * points); },
            [&](Vec g, int y, int x)
                HWY_ATTR { hn::BlendedStore(g, lanes, F32(), to + (y * 3 + x) * int64_t(c_in)); });
      }
  }
}

// dw: [c_out, 9, c_in], the group's part of it written from blocks [first, last) of tiles
template <class T>
void weights_task(float* dw, const ConvBackwardWeights<T>& p, const WinogradTiles& all,
                  const WeightCut& cut, int out_group, int in_group, int64_t first, int64_t last) {
  const ConvSizes& s = p.sizes;
  const int k0 = out_group * cut.outs, c0 = in_group * cut.ins;
  const int outs = std::min(cut.outs, s.c_out - k0), ins = std::min(cut.ins, s.c_in - c0);
  const int dy_pitch = padded_columns(outs), x_pitch = padded_columns(ins);
  const int64_t sum_points = point_pitch(int64_t(outs) * x_pitch);
  Scratch<float> sums(kWinogradPoints * sum_points);
  Scratch<float> dy(kWinogradPoints * point_pitch(int64_t(cut.tiles) * dy_pitch));
  Scratch<float> x(kWinogradPoints * point_pitch(int64_t(cut.tiles) * x_pitch));
  Scratch<int> offsets(cut.tiles);
  for (int i = 0; i < cut.tiles; ++i) offsets[i] = i * x_pitch;

  const RowTiles row_tiles(outs, kMaxVectors);
  for (int64_t block = first; block < last; ++block) {
    const int64_t t0 = block * cut.tiles, t1 = std::min(t0 + cut.tiles, all.count);
    const int tiles = int(t1 - t0);
    transform_tiles<OutputGradientMap>(dy.data(), dy_pitch, p.dy + k0, s.c_out, outs, all, t0, t1);
    transform_tiles<InputMap>(x.data(), x_pitch, p.x + c0, s.c_in, ins, all, t0, t1);
    for (int point = 0; point < kWinogradPoints; ++point) {
      const float* a = dy.data() + point * point_pitch(int64_t(tiles) * dy_pitch);
      const float* b = x.data() + point * point_pitch(int64_t(tiles) * x_pitch);
      float* sum = sums.data() + point * sum_points;
      for (int j = 0; j < ins; j += kMaxPanel) {
        const int vectors = panel_vectors(ins - j);
        for (int t = 0; t < row_tiles.count; ++t) {
          const int begin = row_tiles.begin(t), rows = row_tiles.begin(t + 1) - begin;
          multiply_outer(rows, vectors, sum, a + begin, dy_pitch, b + j, offsets.data(), tiles,
                         block == first);
          sum += rows * vectors * kLanes;
        }
      }
    }
  }
  transform_sums(dw, sums.data(), sum_points, outs, ins, k0, c0, s.c_in);
}

template <class T>
void winograd_weights(const ConvBackwardWeights<T>& p) {
  const ConvSizes& s = p.sizes;
  const WinogradTiles tiles(s.n, s.h, s.w);
  const WeightCut cut(s, tiles);
  const int64_t size = int64_t(s.c_out) * 9 * s.c_in;
  Scratch<float> shares(cut.shares > 1 ? cut.shares * size : 0);  // [shares, c_out, 9, c_in]
  parallel_for(cut.out_groups * cut.in_groups * cut.shares, 1, [&](int64_t task, int64_t) HWY_ATTR {
    const int64_t share = task % cut.shares, group = task / cut.shares;
    weights_task(cut.shares > 1 ? shares.data() + share * size : p.dw, p, tiles, cut,
                 int(group / cut.in_groups), int(group % cut.in_groups),
                 cut.blocks * share / cut.shares, cut.blocks * (share + 1) / cut.shares);
  });
  if (cut.shares == 1) return;
  parallel_for(size, 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float sum = shares[i];
      for (int64_t share = 1; share < cut.shares; ++share) sum += shares[share * size + i];
      p.dw[i] = sum;
    }
  });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {

template <class T>
void run_winograd(const ConvBackwardWeights<T>& p) {
  (cpu_class() >= CpuClass::avx512 ? N_AVX3::winograd_weights<T> : N_AVX2::winograd_weights<T>)(p);
}

template void run_winograd(const ConvBackwardWeights<float>&);
template void run_winograd(const ConvBackwardWeights<bf16>&);

}  // namespace autodidact
#endif
