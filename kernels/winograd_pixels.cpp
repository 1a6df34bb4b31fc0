// Winograd's convolution, forward and the gradient of the input: the same sum over taps (the second
// with the kernel turned by half a turn, channels in and out exchanged), as one product
// [tiles, channels] x [channels, columns] for each of the 36 points. Columns are taken in slabs
// whose transformed weights stay in L3; a task has a block of tiles, transformed into L2, and a
// share of the slab's columns, kGroupColumns of whose products it keeps before it transforms them
// back.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_pixels.cpp"
#include <hwy/foreach_target.h>
#include "kernels/winograd_tiles-inl.h"
#include "kernels/cpu_class.h"

#ifndef AUTODIDACT_KERNELS_WINOGRAD_PIXELS_ONCE
#define AUTODIDACT_KERNELS_WINOGRAD_PIXELS_ONCE
namespace autodidact {
namespace {

constexpr int64_t kSlabFloats = 5 << 19;  // 10 MiB of transformed weights at once
constexpr int kGroupColumns = 64;
constexpr int kBlockTiles = 36, kFewestTiles = 12;
constexpr int64_t kBlockFloats = 1 << 19;  // of transformed tiles: 2 MiB a thread
constexpr int kTasksWanted = 8;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct WinogradSums {
  float* y;           // [images, h, w, columns]
  const float* x;     // [images, h, w, channels]
  const float* w;     // forward: [columns, 9, channels], else [channels, 9, columns]
  const float* bias;  // [columns], or null
  int images, h, w_pixels, channels, columns;
  bool forward;
};

// How the work is cut: by the sizes alone.
struct PixelCut {
  int slab_columns, tiles, share_columns;
  int64_t blocks, shares;
  PixelCut(const WinogradSums& p, const WinogradTiles& all) {
    const int64_t groups = ceil_div(p.columns, kGroupColumns);
    const int64_t fit =
        std::max<int64_t>(1, kSlabFloats / (int64_t(kWinogradPoints) * p.channels * kGroupColumns));
    slab_columns = int(ceil_div(groups, ceil_div(groups, fit))) * kGroupColumns;
    int64_t most = std::clamp<int64_t>(kBlockFloats / (kWinogradPoints * p.channels) / 6 * 6,
                                       kFewestTiles, kBlockTiles);
    most =
        std::clamp<int64_t>(ceil_div(ceil_div(all.count, kTasksWanted), 6) * 6, kFewestTiles, most);
    blocks = ceil_div(all.count, most);
    tiles = int(ceil_div(all.count, blocks));
    blocks = ceil_div(all.count, tiles);
    const int64_t slab_groups = slab_columns / kGroupColumns;
    share_columns =
        int(ceil_div(slab_groups, std::min(slab_groups, ceil_div(kTasksWanted, blocks)))) *
        kGroupColumns;
    shares = ceil_div(slab_columns, share_columns);
  }
};

}  // namespace
}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// Channels of one product: a panel of transformed weights stays in L1.
constexpr int kDepth = kLanes == 16 ? 128 : 256;

// Transformed weights of columns [j0, j0 + width) of the slab: [36][channels][width], points
// `points` apart. width: of a panel, whole vectors; of the columns `columns` exist.
inline void transform_weights(float* target, int64_t points, const WinogradSums& p, int column,
                              int columns, int vectors) {
  const int width = vectors * kLanes;
  constexpr int kChannels = 16;  // at a time: the nine taps of a panel of them stay in L1
  Scratch<float> taps(int64_t(9) * kChannels * width);
  for (int c0 = 0; c0 < p.channels; c0 += kChannels) {
    const int channels = std::min(kChannels, p.channels - c0);
    for (int tap = 0; tap < 9; ++tap) {
      const float* w = p.forward ? p.w + (int64_t(column) * 9 + tap) * p.channels + c0
                                 : p.w + (int64_t(c0) * 9 + 8 - tap) * p.columns + column;
      pack_panel(taps.data() + tap * kChannels * width, w,
                 int64_t(9) * (p.forward ? p.channels : p.columns), p.forward, channels, columns,
                 vectors, 1.0f);
    }
    for (int c = 0; c < channels; ++c)
      for (int v = 0; v < width; v += kLanes) {
        const float* from = taps.data() + c * width + v;
        float* to = target + int64_t(c0 + c) * width + v;
        map_both_ways<WeightMap>(
            [&](int i, int j)
                HWY_ATTR { return hn::Load(F32(), from + (i * 3 + j) * kChannels * width); },
            [&](Vec u, int i, int j) HWY_ATTR { hn::Store(u, F32(), to + (i * 6 + j) * points); });
      }
  }
}

// Columns [column, column + columns) of tiles [first, last). products: [36][panel][tiles][width],
// points apart.
inline void transform_back(const WinogradSums& p, const WinogradTiles& tiles, int64_t first,
                           int64_t last, const float* products, int64_t points, int column,
                           int columns) {
  for (int64_t t = first; t < last; ++t) {
    const int64_t row = t / tiles.cols, image = row / tiles.rows;
    const int top = int(row % tiles.rows) * 4, left = int(t % tiles.cols) * 4;
    const int rows = std::min(4, p.h - top), cols = std::min(4, p.w_pixels - left);
    float* y = p.y + ((image * p.h + top) * p.w_pixels + left) * p.columns + column;
    const int64_t row_pitch = int64_t(p.w_pixels) * p.columns;
    for (int j = 0; j < columns; j += kMaxPanel) {
      const int width = panel_vectors(columns - j) * kLanes;
      const float* panel = products + (last - first) * j + (t - first) * width;
      for (int v = 0; v < width && j + v < columns; v += kLanes) {
        const int left_over = columns - j - v;
        auto load_point = [&](int i, int k) HWY_ATTR {
          return hn::Load(F32(), panel + v + (i * 6 + k) * points);
        };
        float* to = y + j + v;
        if (left_over >= kLanes && rows == 4 && cols == 4) {
          const Vec shift = p.bias ? load(p.bias + column + j + v) : hn::Zero(F32());
          map_both_ways<OutputMap>(load_point, [&](Vec sum, int i, int k) HWY_ATTR {
            store(hn::Add(sum, shift), to + i * row_pitch + k * p.columns);
          });
          continue;
        }
        const int lanes = std::min(kLanes, left_over);
        const Vec shift = p.bias ? load_first(p.bias + column + j + v, lanes) : hn::Zero(F32());
        map_both_ways<OutputMap>(load_point, [&](Vec sum, int i, int k) HWY_ATTR {
          if (i < rows && k < cols)
            hn::BlendedStore(hn::Add(sum, shift), hn::FirstN(F32(), size_t(lanes)), F32(),
                             to + i * row_pitch + k * p.columns);
        });
      }
    }
  }
}

// Tiles [first, last), columns [j0, j1) of the slab that begins at column `slab`.
// weights: [36][panel][channels][width]
inline void tiles_task(const WinogradSums& p, const WinogradTiles& tiles, const float* weights,
                       int64_t weight_points, int64_t first, int64_t last, int slab, int j0,
                       int j1) {
  const int count = int(last - first), pitch = padded_columns(p.channels);
  const int64_t in_points = point_pitch(int64_t(count) * pitch);
  const int64_t out_points =
      point_pitch(int64_t(count) * padded_columns(std::min(kGroupColumns, j1 - j0)));
  Scratch<float> inputs(kWinogradPoints * in_points), products(kWinogradPoints * out_points);
  transform_tiles<InputMap>(inputs.data(), pitch, p.x, p.channels, p.channels, tiles, first, last);
  for (int group = j0; group < j1; group += kGroupColumns) {
    const int columns = std::min(kGroupColumns, j1 - group);
    for (int point = 0; point < kWinogradPoints; ++point)
      for (int j = 0; j < columns; j += kMaxPanel) {
        const int vectors = panel_vectors(columns - j);
        const float* panel = weights + point * weight_points + int64_t(group + j) * p.channels;
        for (int c0 = 0; c0 < p.channels; c0 += kDepth) {
          const Segment depth{c0, std::min(kDepth, p.channels - c0)};
          RowsTile<float> t;
          t.b = panel + int64_t(c0) * vectors * kLanes;
          t.segments = &depth, t.segment_count = 1;
          t.bias = nullptr, t.columns = vectors * kLanes;
          t.first = c0 == 0, t.last = false;
          t.relu = false, t.beta = 0;
          const RowTiles row_tiles(count, vectors);
          for (int tile = 0; tile < row_tiles.count; ++tile) {
            const int begin = row_tiles.begin(tile), end = row_tiles.begin(tile + 1);
            for (int i = begin; i < end; ++i)
              t.a[i - begin] = inputs.data() + point * in_points + int64_t(i) * pitch;
            t.partial = products.data() + point * out_points + int64_t(count) * j +
                        int64_t(begin) * vectors * kLanes;
            multiply_rows(end - begin, vectors, t);
          }
        }
      }
    transform_back(p, tiles, first, last, products.data(), out_points, slab + group, columns);
  }
}

inline void winograd_sums(const WinogradSums& p) {
  const WinogradTiles tiles(p.images, p.h, p.w_pixels);
  const PixelCut cut(p, tiles);
  const int64_t points =
      point_pitch(int64_t(padded_columns(std::min(cut.slab_columns, p.columns))) * p.channels);
  Scratch<float> weights(kWinogradPoints * points);
  for (int slab = 0; slab < p.columns; slab += cut.slab_columns) {
    const int columns = std::min(cut.slab_columns, p.columns - slab);
    parallel_for(ceil_div(columns, kMaxPanel), 1, [&](int64_t panel, int64_t) HWY_ATTR {
      const int j = int(panel) * kMaxPanel;
      transform_weights(weights.data() + int64_t(j) * p.channels, points, p, slab + j,
                        std::min(kMaxPanel, columns - j), panel_vectors(columns - j));
    });
    parallel_for(cut.blocks * cut.shares, 1, [&](int64_t task, int64_t) HWY_ATTR {
      const int64_t first = task / cut.shares * cut.tiles;
      const int j0 = int(task % cut.shares) * cut.share_columns;
      if (j0 >= columns) return;  // the last slab may be narrower
      tiles_task(p, tiles, weights.data(), points, first, std::min(first + cut.tiles, tiles.count),
                 slab, j0, std::min(j0 + cut.share_columns, columns));
    });
  }
}

inline void winograd_forward(const ConvForward<float>& p) {
  const ConvSizes& s = p.sizes;
  winograd_sums({p.y, p.x, p.w, p.bias, s.n, s.h, s.w, s.c_in, s.c_out, true});
}
inline void winograd_backward_data(const ConvBackwardData<float>& p) {
  const ConvSizes& s = p.sizes;
  winograd_sums({p.dx, p.dy, p.w, nullptr, s.n, s.h, s.w, s.c_out, s.c_in, false});
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {

void run_winograd(const ConvForward<float>& p) {
  (cpu_class() == CpuClass::avx512 ? N_AVX3::winograd_forward : N_AVX2::winograd_forward)(p);
}
void run_winograd(const ConvBackwardData<float>& p) {
  (cpu_class() == CpuClass::avx512 ? N_AVX3::winograd_backward_data
                                   : N_AVX2::winograd_backward_data)(p);
}

}  // namespace autodidact
#endif
