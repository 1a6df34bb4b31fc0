// Convolution: the gradients of weights and bias. dw[co, tap, ci] is a sum over pixels of
// dy[pixel, co] * x[pixel moved by the tap, ci]: an outer product per pixel. Pixels are taken
// kUnitPixels at a time: dy is packed by tiles of output channels, x is staged with its padding a
// panel of channels at a time, and the tiles of dw stay in registers over the unit. A task has a
// group of output channels and a share of the units; the shares are added in order at the end.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_weights.cpp"
#include <hwy/foreach_target.h>
#include "kernels/conv_stage-inl.h"
#include "kernels/conv_plain.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/reduction.h"
#include "kernels/winograd.h"

#ifndef AUTODIDACT_KERNELS_CONV_WEIGHTS_ONCE
#define AUTODIDACT_KERNELS_CONV_WEIGHTS_ONCE
namespace autodidact {
namespace {

constexpr int kUnitPixels = 256;
constexpr int kGroupChannels = 64;  // output channels of a task: 256 pixels of them take 64 KiB
constexpr int kTasksWanted = 16;
constexpr int64_t kShareFloats = 4 << 20;  // of all shares together, beyond one

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How the work is cut: by the sizes alone.
struct WeightBlocks {
  int images, rows;  // of a unit: whole images, or rows of one image
  int bands, units, groups, group_channels, shares;

  explicit WeightBlocks(const ConvSizes& s) {
    const int out_h = s.out_h(), out_w = s.out_w();
    rows = std::clamp(kUnitPixels / out_w, 1, out_h);
    images = rows == out_h ? std::clamp(kUnitPixels / (out_h * out_w), 1, s.n) : 1;
    bands = int(ceil_div(out_h, rows));
    units = int(ceil_div(s.n, images)) * bands;
    groups = int(ceil_div(s.c_out, kGroupChannels));
    group_channels = int(ceil_div(s.c_out, groups));
    groups = int(ceil_div(s.c_out, group_channels));
    const int64_t weights = int64_t(s.c_out) * s.kh * s.kw * s.c_in;
    shares = int(std::min({ceil_div(kTasksWanted, groups), int64_t(units),
                           std::max<int64_t>(1, kShareFloats / weights)}));
  }
};

}  // namespace
}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// dw's columns as the tiles see them: for each block of at most kMaxPanel input channels, runs of
// numbers that lie side by side in a staged pixel row: kw * channels of them (dilation 1), else one
// run a tap. A share holds, block by block, run by run, panel by panel: [group channel, panel].
struct Runs {
  int per_row, length_pixels;  // runs of one ky; pixels in each
  explicit Runs(const ConvSizes& s)
      : per_row(s.dilation == 1 ? 1 : s.kw), length_pixels(s.dilation == 1 ? s.kw : 1) {}
  int columns(int channels) const { return length_pixels * channels; }
};

inline int64_t share_size(const ConvSizes& s, const WeightBlocks& blocks) {
  const Runs runs(s);
  int64_t columns = 0;
  for (int c0 = 0; c0 < s.c_in; c0 += kMaxPanel)
    columns += padded_columns(runs.columns(std::min(kMaxPanel, s.c_in - c0)));
  return columns * runs.per_row * s.kh * blocks.group_channels;
}

// panels: for each tile of rows, [pixels][rows of the tile]. dy points at the group's first channel
// of the first pixel; `readable` numbers may be read from there. Writes 8 numbers at a time, beyond
// the tile's end: the caller leaves kMaxRows of slack.
template <class T>
void pack_outer(float* panels, const T* dy, int64_t readable, int pitch, int pixels,
                const RowTiles& tiles) {
  for (int t = 0; t < tiles.count; ++t) {
    const int begin = tiles.begin(t), rows = tiles.begin(t + 1) - begin;
    float* panel = panels + int64_t(begin) * pixels;
    const int64_t whole = std::clamp<int64_t>((readable - begin - 8) / pitch + 1, 0, pixels);
    int64_t i = 0;
    if (readable >= begin + 8)
      for (; i < whole; ++i) hn::StoreU(load8(dy + i * pitch + begin), F32x8(), panel + i * rows);
    for (; i < pixels; ++i)
      for (int r = 0; r < rows; ++r) panel[i * rows + r] = float(dy[i * pitch + begin + r]);
  }
}

template <class T>
void weights_task(float* share, const ConvBackwardWeights<T>& p, const WeightBlocks& blocks,
                  int group, int first_unit, int last_unit) {
  const ConvSizes& s = p.sizes;
  const Runs runs(s);
  const int out_h = s.out_h(), out_w = s.out_w();
  const int co = group * blocks.group_channels;
  const int rows = std::min(blocks.group_channels, s.c_out - co);
  const int most_pixels = blocks.images * blocks.rows * out_w;
  const int band_cols = (out_w - 1) * s.stride + (s.kw - 1) * s.dilation + 1;
  const int most_rows = (blocks.rows - 1) * s.stride + (s.kh - 1) * s.dilation + 1;
  Scratch<float> dy(int64_t(most_pixels) * rows + kMaxRows);
  // The last panel of a run may read up to a panel beyond the band; those sums are not used.
  const int64_t most_band =
      int64_t(blocks.images) * most_rows * band_cols * std::min(kMaxPanel, s.c_in);
  Scratch<float> band(most_band + kMaxPanel);
  Scratch<int> offsets(most_pixels);

  for (int unit = first_unit; unit < last_unit; ++unit) {
    const int n0 = unit / blocks.bands * blocks.images, i0 = unit % blocks.bands * blocks.rows;
    const int images = std::min(blocks.images, s.n - n0);
    const int unit_rows = std::min(blocks.rows, out_h - i0);
    const int pixels = images * unit_rows * out_w;
    const int band_rows = (unit_rows - 1) * s.stride + (s.kh - 1) * s.dilation + 1;
    const int64_t first_pixel = (int64_t(n0) * out_h + i0) * out_w;
    // Tile heights are those of full panels: all panels of a share use the same packed dy.
    const RowTiles tiles(rows, kMaxVectors);
    pack_outer(dy.data(), p.dy + first_pixel * s.c_out + co,
               (int64_t(s.n) * out_h * out_w - first_pixel) * s.c_out - co, s.c_out, pixels, tiles);
    float* target = share;
    for (int c0 = 0; c0 < s.c_in; c0 += kMaxPanel) {
      const int channels = std::min(kMaxPanel, s.c_in - c0);
      stage(band.data(),
            Band<T>{p.x + int64_t(n0) * s.h * s.w * s.c_in, s.h, s.w, s.c_in, images, band_rows,
                    band_cols, i0 * s.stride - s.padding, -s.padding, c0, channels});
      const int64_t staged = int64_t(images) * band_rows * band_cols * channels;
      std::fill(band.data() + staged, band.data() + staged + kMaxPanel, 0.0f);
      int pixel = 0;
      for (int n = 0; n < images; ++n)
        for (int i = 0; i < unit_rows; ++i)
          for (int j = 0; j < out_w; ++j)
            offsets[pixel++] =
                ((n * band_rows + i * s.stride) * band_cols + j * s.stride) * channels;
      const int columns = runs.columns(channels);
      for (int ky = 0; ky < s.kh; ++ky)
        for (int run = 0; run < runs.per_row; ++run) {
          const float* x =
              band.data() + int64_t(ky * s.dilation * band_cols + run * s.dilation) * channels;
          for (int j = 0; j < columns; j += kMaxPanel) {
            const int vectors = panel_vectors(columns - j);
            for (int t = 0; t < tiles.count; ++t) {
              const int begin = tiles.begin(t), height = tiles.begin(t + 1) - begin;
              prefetch_share(target + height * vectors * kLanes, height * vectors * kLanes * 4, 0,
                             1);
              multiply_outer(height, vectors, target, dy.data() + int64_t(begin) * pixels, height,
                             x + j, offsets.data(), pixels, unit == first_unit);
              target += height * vectors * kLanes;
            }
          }
        }
    }
  }
}

// dw = the sum of the shares of one group, put in order.
inline void add_shares(float* dw, const float* shares, int64_t size, const ConvSizes& s,
                       const WeightBlocks& blocks, int group) {
  const Runs runs(s);
  const int co0 = group * blocks.group_channels;
  const int rows = std::min(blocks.group_channels, s.c_out - co0);
  for (int c0 = 0; c0 < s.c_in; c0 += kMaxPanel) {
    const int channels = std::min(kMaxPanel, s.c_in - c0), columns = runs.columns(channels);
    for (int ky = 0; ky < s.kh; ++ky)
      for (int run = 0; run < runs.per_row; ++run)
        for (int j = 0; j < columns; j += kMaxPanel) {
          const int width = panel_vectors(columns - j) * kLanes;
          for (int r = 0; r < rows; ++r, shares += width) {
            for (int v = 0; v < width; v += kLanes) {
              Vec sum = hn::Load(F32(), shares + v);
              for (int share = 1; share < blocks.shares; ++share)
                sum = hn::Add(sum, hn::Load(F32(), shares + share * size + v));
              HWY_ALIGN float sums[kLanes];
              hn::Store(sum, F32(), sums);
              for (int q = 0; q < std::min(kLanes, columns - j - v);) {
                const int column = j + v + q, kx = run + column / channels, c = column % channels;
                const int count = std::min({kLanes - q, columns - j - v - q, channels - c});
                std::copy(sums + q, sums + q + count,
                          dw + ((int64_t(co0 + r) * s.kh + ky) * s.kw + kx) * s.c_in + c0 + c);
                q += count;
              }
            }
          }
        }
  }
}

template <class T>
void conv_backward_weights(const ConvBackwardWeights<T>& p) {
  const ConvSizes& s = p.sizes;
  const WeightBlocks blocks(s);
  const int64_t size = share_size(s, blocks);
  Scratch<float> shares(size * blocks.groups * blocks.shares);  // [groups, shares, size]
  parallel_for(int64_t(blocks.groups) * blocks.shares, 1, [&](int64_t task, int64_t) HWY_ATTR {
    const int64_t share = task % blocks.shares;
    weights_task(shares.data() + task * size, p, blocks, int(task / blocks.shares),
                 int(blocks.units * share / blocks.shares),
                 int(blocks.units * (share + 1) / blocks.shares));
  });
  parallel_for(blocks.groups, 1, [&](int64_t group, int64_t) HWY_ATTR {
    add_shares(p.dw, shares.data() + group * blocks.shares * size, size, s, blocks, int(group));
  });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {

template <class T>
void run(Cpu, ConvBackwardWeights<T> p) {
  const ConvSizes& s = p.sizes;
  if (p.dbias) run(Cpu(), SumRows<T>{p.dbias, p.dy, int64_t(s.n) * s.out_h() * s.out_w(), s.c_out});
  if (!p.dw) return;
  if constexpr (std::is_same_v<T, double>) conv_backward_weights_plain(p);
  else if (s.n == 0) conv_backward_weights_plain(p);  // zeros: there is no work to cut
  else if (winograd_pays(s)) run_winograd(p);
  else
    for_cpu_class(&conv_backward_weights_plain<T>, &N_AVX2::conv_backward_weights<T>,
                  &N_AVX3::conv_backward_weights<T>)(p);
}

template void run(Cpu, ConvBackwardWeights<float>);
template void run(Cpu, ConvBackwardWeights<bf16>);
template void run(Cpu, ConvBackwardWeights<double>);

}  // namespace autodidact
#endif
