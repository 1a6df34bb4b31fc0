// Winograd's convolution, forward and the gradient of the input: the same sum over taps (the second
// with the kernel turned by half a turn, channels in and out exchanged), as one product
// [tiles, channels] x [channels, columns] for each of the 36 points. Columns are taken in slabs
// whose transformed weights stay in L3. A task has a block of tiles, which it transforms into L2,
// and a share of the slab's columns, kGroupColumns of whose products it keeps before it transforms
// them back. Where every block would be transformed by several tasks (many channels, few tiles) all
// are transformed once and kept.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd_pixels.cpp"
#include <hwy/foreach_target.h>
#include "kernels/winograd_tiles-inl.h"
#include "kernels/cpu_class.h"

#ifndef AUTODIDACT_KERNELS_WINOGRAD_PIXELS_ONCE
#define AUTODIDACT_KERNELS_WINOGRAD_PIXELS_ONCE
namespace autodidact {
namespace {

constexpr int64_t kSlabFloats =
    5 << 19;  // of transformed weights at once, and of tiles kept: 10 MiB
constexpr int kGroupColumns = 64;
// 36 tiles of 64 channels and their products take 2 x 332 KB. Blocks of 24, 48 and 72 measured the
// same within 5 % on AVX-512 and AVX2.
constexpr int kBlockTiles = 36, kFewestTiles = 18;
constexpr int kTasksWanted = 8;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
struct WinogradSums {
  T* y;               // [images, h, w, columns]
  const T* x;         // [images, h, w, channels]
  const T* w;         // forward: [columns, 9, channels], else [channels, 9, columns]
  const float* bias;  // [columns], or null
  int images, h, w_pixels, channels, columns;
  bool forward;
};

// How the work is cut: by the sizes alone.
struct PixelCut {
  int slab_columns, tiles, share_columns;
  int64_t blocks, shares;
  bool keep_tiles;  // all transformed tiles
  template <class T>
  PixelCut(const WinogradSums<T>& p, const WinogradTiles& all) {
    const int64_t groups = ceil_div(p.columns, kGroupColumns);
    const int64_t channel_floats = int64_t(kWinogradPoints) * p.channels;
    const int64_t fit = std::max<int64_t>(1, kSlabFloats / (channel_floats * kGroupColumns));
    slab_columns = int(ceil_div(groups, ceil_div(groups, fit))) * kGroupColumns;
    const int64_t wanted = ceil_div(ceil_div(all.count, kTasksWanted), 6) * 6;
    blocks = ceil_div(all.count, std::clamp<int64_t>(wanted, kFewestTiles, kBlockTiles));
    tiles = int(ceil_div(all.count, blocks));
    blocks = ceil_div(all.count, tiles);
    const int64_t slab_groups = slab_columns / kGroupColumns;
    share_columns =
        int(ceil_div(slab_groups, std::min(slab_groups, ceil_div(kTasksWanted, blocks)))) *
        kGroupColumns;
    shares = ceil_div(slab_columns, share_columns);
    keep_tiles = share_columns < p.columns && all.count * channel_floats <= kSlabFloats;
  }
};

}  // namespace
}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// Channels of one product: a panel of transformed weights stays in L1.
constexpr int kDepth = kLanes == 16 ? 128 : 256;

// Transformed weights of a panel of columns, channels [begin, end) of them:
// [36][channels][width], points `points` apart. width: whole vectors; of the columns `columns`
// exist.
template <class T>
void transform_weights(float* target, int64_t points, const WinogradSums<T>& p, int column,
                       int columns, int vectors, int begin, int end) {
  const int width = vectors * kLanes;
  constexpr int kChannels = 16;  // at a time: the nine taps of a panel of them stay in L1
  Scratch<float> taps(int64_t(9) * kChannels * width);
  for (int c0 = begin; c0 < end; c0 += kChannels) {
    const int channels = std::min(kChannels, end - c0);
    for (int tap = 0; tap < 9; ++tap) {
      const T* w = p.forward ? p.w + (int64_t(column) * 9 + tap) * p.channels + c0
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
template <class T>
void transform_back(const WinogradSums<T>& p, const WinogradTiles& tiles, int64_t first,
                    int64_t last, const float* products, int64_t points, int column, int columns) {
  for (int64_t t = first; t < last; ++t) {
    const int64_t row = t / tiles.cols, image = row / tiles.rows;
    const int top = int(row % tiles.rows) * 4, left = int(t % tiles.cols) * 4;
    const int rows = std::min(4, p.h - top), cols = std::min(4, p.w_pixels - left);
    T* y = p.y + ((image * p.h + top) * p.w_pixels + left) * p.columns + column;
    const int64_t row_pitch = int64_t(p.w_pixels) * p.columns;
    for (int j = 0; j < columns; j += kMaxPanel) {
      const int width = panel_vectors(columns - j) * kLanes;
      const float* panel = products + (last - first) * j + (t - first) * width;
      for (int v = 0; v < width && j + v < columns; v += kLanes) {
        const int left_over = columns - j - v;
        auto load_point = [&](int i, int k) HWY_ATTR {
          return hn::Load(F32(), panel + v + (i * 6 + k) * points);
        };
        T* to = y + j + v;
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
            store_first(hn::Add(sum, shift), to + i * row_pitch + k * p.columns, lanes);
        });
      }
    }
  }
}

// What a task works on: `count` tiles from `first` on, columns [j0, j1) of the slab that begins at
// column `slab`.
struct TilesTask {
  const float* inputs;   // [36][count][channels], or null: to be transformed
  const float* weights;  // [36][panel][channels][width]
  int64_t weight_points, first;
  int count, slab, j0, j1;
};

inline int64_t input_points(int channels, int count) {
  return point_pitch(int64_t(count) * padded_columns(channels));
}

template <class T>
void tiles_task(const WinogradSums<T>& p, const WinogradTiles& tiles, const TilesTask& task) {
  const int count = task.count, pitch = padded_columns(p.channels);
  const int64_t in_points = input_points(p.channels, count), last = task.first + count;
  const int group_columns = padded_columns(std::min(kGroupColumns, task.j1 - task.j0));
  const int64_t out_points = point_pitch(int64_t(count) * group_columns);
  Scratch<float> own(task.inputs ? 0 : kWinogradPoints * in_points);
  Scratch<float> products(kWinogradPoints * out_points);
  const float* inputs = task.inputs ? task.inputs : own.data();
  if (!task.inputs)
    transform_tiles<InputMap>(own.data(), pitch, p.x, p.channels, p.channels, tiles, task.first,
                              last);
  for (int group = task.j0; group < task.j1; group += kGroupColumns) {
    const int columns = std::min(kGroupColumns, task.j1 - group);
    for (int point = 0; point < kWinogradPoints; ++point)
      for (int j = 0; j < columns; j += kMaxPanel) {
        const int vectors = panel_vectors(columns - j), width = vectors * kLanes;
        const float* panel =
            task.weights + point * task.weight_points + int64_t(group + j) * p.channels;
        const RowTiles row_tiles(count, vectors);
        for (int c0 = 0; c0 < p.channels; c0 += kDepth) {
          const Segment depth{c0, std::min(kDepth, p.channels - c0)};
          RowsTile<float> t;
          t.b = panel + int64_t(c0) * width;
          t.segments = &depth, t.segment_count = 1;
          t.bias = nullptr, t.columns = width;
          t.first = c0 == 0, t.last = false;  // the sums stay where partial ones lie
          t.relu = false, t.beta = 0;
          for (int tile = 0; tile < row_tiles.count; ++tile) {
            const int begin = row_tiles.begin(tile), end = row_tiles.begin(tile + 1);
            for (int i = begin; i < end; ++i)
              t.a[i - begin] = inputs + point * in_points + int64_t(i) * pitch;
            t.partial = products.data() + point * out_points + int64_t(count) * j + begin * width;
            multiply_rows(end - begin, vectors, t);
          }
        }
      }
    transform_back(p, tiles, task.first, last, products.data(), out_points, task.slab + group,
                   columns);
  }
}

template <class T>
void winograd_sums(const WinogradSums<T>& p) {
  const WinogradTiles tiles(p.images, p.h, p.w_pixels);
  const PixelCut cut(p, tiles);
  const int64_t points =
      point_pitch(int64_t(padded_columns(std::min(cut.slab_columns, p.columns))) * p.channels);
  const int64_t block_floats = kWinogradPoints * input_points(p.channels, cut.tiles);
  Scratch<float> weights(kWinogradPoints * points);
  Scratch<float> kept(cut.keep_tiles ? cut.blocks * block_floats : 0);
  auto tiles_of = [&](int64_t block) {
    return int(std::min<int64_t>(cut.tiles, tiles.count - block * cut.tiles));
  };
  if (cut.keep_tiles)
    parallel_for(cut.blocks, 1, [&](int64_t block, int64_t) HWY_ATTR {
      const int64_t first = block * cut.tiles;
      transform_tiles<InputMap>(kept.data() + block * block_floats, padded_columns(p.channels), p.x,
                                p.channels, p.channels, tiles, first, first + tiles_of(block));
    });
  for (int slab = 0; slab < p.columns; slab += cut.slab_columns) {
    const int columns = std::min(cut.slab_columns, p.columns - slab);
    const int64_t panels = ceil_div(columns, kMaxPanel), parts = ceil_div(p.channels, kDepth);
    parallel_for(panels * parts, 1, [&](int64_t chunk, int64_t) HWY_ATTR {
      const int j = int(chunk / parts) * kMaxPanel, c0 = int(chunk % parts) * kDepth;
      transform_weights(weights.data() + int64_t(j) * p.channels, points, p, slab + j,
                        std::min(kMaxPanel, columns - j), panel_vectors(columns - j), c0,
                        std::min(c0 + kDepth, p.channels));
    });
    parallel_for(cut.blocks * cut.shares, 1, [&](int64_t task, int64_t) HWY_ATTR {
      const int64_t block = task / cut.shares;
      const int j0 = int(task % cut.shares) * cut.share_columns;
      if (j0 >= columns) return;  // the last slab may be narrower
      tiles_task(p, tiles,
                 {cut.keep_tiles ? kept.data() + block * block_floats : nullptr, weights.data(),
                  points, block * cut.tiles, tiles_of(block), slab, j0,
                  std::min(j0 + cut.share_columns, columns)});
    });
  }
}

template <class T>
void winograd_forward(const ConvForward<T>& p) {
  const ConvSizes& s = p.sizes;
  winograd_sums<T>({p.y, p.x, p.w, p.bias, s.n, s.h, s.w, s.c_in, s.c_out, true});
}
template <class T>
void winograd_backward_data(const ConvBackwardData<T>& p) {
  const ConvSizes& s = p.sizes;
  winograd_sums<T>({p.dx, p.dy, p.w, nullptr, s.n, s.h, s.w, s.c_out, s.c_in, false});
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {

template <class T>
void run_winograd(const ConvForward<T>& p) {
  (cpu_class() >= CpuClass::avx512 ? N_AVX3::winograd_forward<T> : N_AVX2::winograd_forward<T>)(p);
}
template <class T>
void run_winograd(const ConvBackwardData<T>& p) {
  (cpu_class() >= CpuClass::avx512 ? N_AVX3::winograd_backward_data<T>
                                   : N_AVX2::winograd_backward_data<T>)(p);
}

template void run_winograd(const ConvForward<float>&);
template void run_winograd(const ConvForward<bf16>&);
template void run_winograd(const ConvBackwardData<float>&);
template void run_winograd(const ConvBackwardData<bf16>&);

}  // namespace autodidact
#endif
