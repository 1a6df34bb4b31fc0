// Convolution forward and its gradient with respect to the input: the same sum over taps (see
// conv_geometry.h), as an implicit GEMM of [pixels, taps * channels] by [taps * channels, columns].
// The weights are packed once a call. A chunk of work is a band of output rows of one image, or
// several small images; it stages its input band, kBlockK / taps channels at a time, and multiplies
// straight from there. Where nothing is padded, widened or filled up to pairs, it reads the input
// in place. Pitches and offsets count elements: floats, or pairs of bf16 channels.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_pixels.cpp"
#include <hwy/foreach_target.h>
#include "kernels/conv_stage-inl.h"
#include "kernels/conv_geometry.h"
#include "kernels/conv_plain.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/winograd.h"

#ifndef AUTODIDACT_KERNELS_CONV_PIXELS_ONCE
#define AUTODIDACT_KERNELS_CONV_PIXELS_ONCE
namespace autodidact {
namespace {

// A panel of packed weights, kBlockK x 16 elements, takes 20 of the 32 KiB of L1.
constexpr int kBlockK = 320;
constexpr int kStagedElements = 40 << 10;  // of a band: a third of a 512 KiB L2
constexpr int kFewestPixels = 256, kMostPixels = 1024;
constexpr int kChunksWanted = 8;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
struct PixelSums {
  T* y;                // [images, out_h, out_w, columns]
  const T* x;          // [images, in_h, in_w, channels]
  const T* w;          // channels_last: [columns, taps, channels], else [channels, taps, columns]
  const Acc<T>* bias;  // [columns], or null
  int images, out_h, out_w, columns, in_h, in_w, channels;
  int kernel_taps;  // kh * kw
  bool channels_last;
  const PixelGrid* grids;
  int grid_count;
};

// How the work is cut: by the sizes alone.
struct PixelBlocks {
  int channel_blocks, block_channels;
  int images, rows;  // of a chunk: whole images, or one image's rows
  int image_blocks, bands, column_groups, group_columns;

  template <class P>
  PixelBlocks(const P& p, int panel, int numbers_in_element) {
    int taps = 1, grid_rows = 1, grid_cols = 1, step = 1, span_y = 0, span_x = 0;
    for (int g = 0; g < p.grid_count; ++g) {
      const PixelGrid& grid = p.grids[g];
      taps = std::max(taps, int(grid.taps.size()));
      grid_rows = std::max(grid_rows, grid.rows), grid_cols = std::max(grid_cols, grid.cols);
      span_y = std::max(span_y, grid.max_dy - grid.min_dy);
      span_x = std::max(span_x, grid.max_dx - grid.min_dx);
      step = grid.step;
    }
    const int most = std::max(8, kBlockK * numbers_in_element / taps / 8 * 8);
    const int64_t blocks_needed = ceil_div(p.channels, most);
    block_channels =
        std::min(p.channels, int(ceil_div(ceil_div(p.channels, blocks_needed), 8)) * 8);
    channel_blocks = int(ceil_div(p.channels, block_channels));

    const int64_t row_elements =
        (int64_t(grid_cols - 1) * step + span_x + 1) * ceil_div(block_channels, numbers_in_element);
    auto staged = [&](int64_t band_rows) {
      return ((band_rows - 1) * step + span_y + 1) * row_elements;
    };
    rows = grid_rows;
    const int64_t wanted_bands = ceil_div(kChunksWanted, p.images);
    while (rows > 1 && (staged(rows) > kStagedElements || int64_t(rows) * grid_cols > kMostPixels ||
                        ceil_div(grid_rows, rows) < wanted_bands))
      rows = (rows + 1) / 2;
    images = 1;
    if (rows == grid_rows)
      while (images * rows * grid_cols < kFewestPixels &&
             (images + 1) * staged(rows) <= kStagedElements &&
             ceil_div(p.images, images + 1) >= kChunksWanted)
        ++images;
    image_blocks = int(ceil_div(p.images, images)), bands = int(ceil_div(grid_rows, rows));
    const int64_t panels = ceil_div(p.columns, panel);
    const int64_t groups = std::min(panels, ceil_div(kChunksWanted, int64_t(image_blocks) * bands));
    group_columns = int(ceil_div(panels, groups)) * panel;
    column_groups = int(ceil_div(p.columns, group_columns));
  }
};

}  // namespace
}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// Packed weights of one grid: for each block of channels, for each panel: [taps, channels, panel].
template <class Element, class T>
void pack_weights(Element* packed, const PixelSums<T>& p, const PixelGrid& grid,
                  const PixelBlocks& blocks, int channel_block, int column) {
  const int c0 = channel_block * blocks.block_channels;
  const int channels = std::min(blocks.block_channels, p.channels - c0);
  const int vectors = panel_vectors(p.columns - column);
  const int columns = std::min(vectors * kLanes, p.columns - column);
  const int64_t taps = int64_t(grid.taps.size()), kernel = p.kernel_taps;
  const int depth = elements<Element>(channels);
  Element* panel = packed + taps * (int64_t(elements<Element>(c0)) * padded_columns(p.columns) +
                                    int64_t(depth) * column);
  for (const Tap& tap : grid.taps) {
    const T* w = p.channels_last ? p.w + (column * kernel + tap.weight) * p.channels + c0
                                 : p.w + (c0 * kernel + tap.weight) * p.columns + column;
    pack_panel(panel, w, kernel * (p.channels_last ? p.channels : p.columns), p.channels_last,
               channels, columns, vectors);
    panel += depth * vectors * kLanes;
  }
}

// Runs of elements that lie side by side in a band whose pixels are `pixel` and whose rows are
// `row` elements apart, `depth` of each pixel wanted.
inline int segments_of(Segment* out, const PixelGrid& grid, int base_y, int base_x, int64_t row,
                       int pixel, int depth) {
  int count = 0;
  for (const Tap& t : grid.taps) {
    const int offset = int((t.dy - base_y) * row + (t.dx - base_x) * pixel);
    if (count && out[count - 1].offset + out[count - 1].length == offset)
      out[count - 1].length += depth;
    else out[count++] = {offset, depth};
  }
  return count;
}

// One grid's share of a chunk: images [n0, n1), grid rows [i0, i1), columns [j0, j1).
template <class Element, class T>
void sum_pixels(const PixelSums<T>& p, const PixelGrid& grid, const PixelBlocks& blocks,
                const Element* packed, int n0, int n1, int i0, int i1, int j0, int j1) {
  const int pixels = (n1 - n0) * (i1 - i0) * grid.cols, taps = int(grid.taps.size());
  if (pixels <= 0) return;
  const int band_rows = (i1 - i0 - 1) * grid.step + grid.max_dy - grid.min_dy + 1;
  const int band_cols = (grid.cols - 1) * grid.step + grid.max_dx - grid.min_dx + 1;
  const bool inside = grid.min_dy >= 0 && grid.min_dx >= 0 &&
                      (grid.rows - 1) * grid.step + grid.max_dy < p.in_h &&
                      (grid.cols - 1) * grid.step + grid.max_dx < p.in_w;
  constexpr int kIn = kNumbers<Element>;
  const bool whole_elements = sizeof(T) * kIn == sizeof(Element) && p.channels % kIn == 0;
  const bool staged = !(whole_elements && inside);
  const int64_t image_band = int64_t(band_rows) * band_cols;  // pixels

  Scratch<Element> band(staged ? image_band * (n1 - n0) * elements<Element>(blocks.block_channels)
                               : 0);
  Scratch<float> partial(blocks.channel_blocks > 1 ? int64_t(pixels) * padded_columns(j1 - j0) : 0);
  Scratch<const Element*> a(pixels);  // each pixel's first element, of this block of channels
  Scratch<T*> y(pixels);              // each pixel's column 0
  Scratch<Segment> segments(taps);

  int64_t pixel = 0;
  for (int n = n0; n < n1; ++n)
    for (int i = i0; i < i1; ++i) {
      T* row = p.y + ((int64_t(n) * p.out_h + grid.first_row + i * grid.spacing) * p.out_w +
                      grid.first_col) *
                         p.columns;
      for (int j = 0; j < grid.cols; ++j) y[pixel++] = row + int64_t(j) * grid.spacing * p.columns;
    }

  for (int block = 0; block < blocks.channel_blocks; ++block) {
    const int c0 = block * blocks.block_channels;
    const int channels = std::min(blocks.block_channels, p.channels - c0);
    const int depth = elements<Element>(channels);
    // Where the elements of grid pixel (n0, i0, 0) lie, and how far apart pixels, rows, images are.
    const Element* origin = band.data();
    int64_t pixel_pitch = depth, row_pitch = int64_t(band_cols) * depth;
    int64_t image_pitch = image_band * depth;
    int segment_count;
    if (staged) {
      stage(band.data(), Band<T>{p.x + int64_t(n0) * p.in_h * p.in_w * p.channels, p.in_h, p.in_w,
                                 p.channels, n1 - n0, band_rows, band_cols,
                                 i0 * grid.step + grid.min_dy, grid.min_dx, c0, channels});
      segment_count =
          segments_of(segments.data(), grid, grid.min_dy, grid.min_dx, row_pitch, depth, depth);
    } else {
      pixel_pitch = p.channels / kIn, row_pitch = p.in_w * pixel_pitch;
      image_pitch = p.in_h * row_pitch;
      origin = reinterpret_cast<const Element*>(p.x + c0) + n0 * image_pitch +
               int64_t(i0) * grid.step * row_pitch;
      segment_count = segments_of(segments.data(), grid, 0, 0, row_pitch, int(pixel_pitch), depth);
    }
    pixel = 0;
    for (int n = 0; n < n1 - n0; ++n)
      for (int i = 0; i < i1 - i0; ++i)
        for (int j = 0; j < grid.cols; ++j)
          a[pixel++] =
              origin + n * image_pitch + i * grid.step * row_pitch + j * grid.step * pixel_pitch;

    const Element* block_weights =
        packed + int64_t(taps) * elements<Element>(c0) * padded_columns(p.columns);
    for (int j = j0; j < j1; j += kMaxPanel) {
      const int vectors = panel_vectors(p.columns - j);
      const int64_t panel_elements = int64_t(taps) * depth * vectors * kLanes;
      RowsTile<T, Element> t;
      t.b = block_weights + int64_t(taps) * depth * j;
      t.segments = segments.data(), t.segment_count = segment_count;
      t.bias = p.bias ? p.bias + j : nullptr;
      t.columns = std::min(vectors * kLanes, p.columns - j);
      t.first = block == 0, t.last = block + 1 == blocks.channel_blocks;
      t.relu = false, t.beta = 0;
      const RowTiles tiles(pixels, vectors);
      for (int tile = 0; tile < tiles.count; ++tile) {
        const int begin = tiles.begin(tile), end = tiles.begin(tile + 1);
        for (int i = begin; i < end; ++i) t.a[i - begin] = a[i], t.c[i - begin] = y[i] + j;
        t.partial = partial.data() + int64_t(pixels) * (j - j0) + int64_t(begin) * vectors * kLanes;
        if (j + kMaxPanel < j1)  // the next panel comes from L3 or memory
          prefetch_share(t.b + panel_elements, panel_elements * 4, tile, tiles.count);
        multiply_rows(end - begin, vectors, t);
      }
    }
  }
}

template <class Element, class T>
void sum_taps_of(const PixelSums<T>& p) {
  const PixelBlocks blocks(p, kMaxPanel, kNumbers<Element>);
  const int64_t panels = ceil_div(p.columns, kMaxPanel), padded = padded_columns(p.columns);
  Scratch<int64_t> starts(p.grid_count + 1);  // of each grid's packed weights
  starts[0] = 0;
  for (int g = 0; g < p.grid_count; ++g)
    starts[g + 1] =
        starts[g] + int64_t(p.grids[g].taps.size()) * elements<Element>(p.channels) * padded;
  Scratch<Element> packed(starts[p.grid_count]);
  parallel_for(panels * blocks.channel_blocks, 1, [&](int64_t i, int64_t) HWY_ATTR {
    for (int g = 0; g < p.grid_count; ++g)
      pack_weights(packed.data() + starts[g], p, p.grids[g], blocks, int(i / panels),
                   int(i % panels) * kMaxPanel);
  });
  parallel_for(int64_t(blocks.image_blocks) * blocks.bands * blocks.column_groups, 1,
               [&](int64_t chunk, int64_t) HWY_ATTR {
                 const int group = int(chunk % blocks.column_groups);
                 const int band = int(chunk / blocks.column_groups % blocks.bands);
                 const int n0 = int(chunk / blocks.column_groups / blocks.bands) * blocks.images;
                 const int j0 = group * blocks.group_columns, i0 = band * blocks.rows;
                 for (int g = 0; g < p.grid_count; ++g)
                   sum_pixels(p, p.grids[g], blocks, packed.data() + starts[g], n0,
                              std::min(n0 + blocks.images, p.images), i0,
                              std::min(i0 + blocks.rows, p.grids[g].rows), j0,
                              std::min(j0 + blocks.group_columns, p.columns));
               });
}

template <class T>
void sum_taps(const PixelSums<T>& p) {
  with_element<T>([&]<class Element>() HWY_ATTR { sum_taps_of<Element>(p); });
}

template <class T>
void conv_forward(const ConvForward<T>& p) {
  const ConvSizes& s = p.sizes;
  const PixelGrid grid = forward_grid(s);
  sum_taps(PixelSums<T>{p.y, p.x, p.w, p.bias, s.n, s.out_h(), s.out_w(), s.c_out, s.h, s.w, s.c_in,
                        s.kh * s.kw, true, &grid, 1});
}

template <class T>
void conv_backward_data(const ConvBackwardData<T>& p) {
  const ConvSizes& s = p.sizes;
  const std::vector<PixelGrid> grids = backward_grids(s);
  sum_taps(PixelSums<T>{p.dx, p.dy, p.w, nullptr, s.n, s.h, s.w, s.c_in, s.out_h(), s.out_w(),
                        s.c_out, s.kh * s.kw, false, grids.data(), int(grids.size())});
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {

template <class T>
void run(Cpu, ConvForward<T> p) {
  if (p.sizes.n == 0) return;
  if constexpr (std::is_same_v<T, double>) conv_forward_plain(p);
  else if (winograd_pays(p.sizes)) run_winograd(p);
  else for_cpu_class(&conv_forward_plain<T>, &N_AVX2::conv_forward<T>, &N_AVX3::conv_forward<T>)(p);
}

template <class T>
void run(Cpu, ConvBackwardData<T> p) {
  if (p.sizes.n == 0) return;
  if constexpr (std::is_same_v<T, double>) conv_backward_data_plain(p);
  else if (winograd_pays(p.sizes)) run_winograd(p);
  else
    for_cpu_class(&conv_backward_data_plain<T>, &N_AVX2::conv_backward_data<T>,
                  &N_AVX3::conv_backward_data<T>)(p);
}

template void run(Cpu, ConvForward<float>);
template void run(Cpu, ConvForward<bf16>);
template void run(Cpu, ConvForward<double>);
template void run(Cpu, ConvBackwardData<float>);
template void run(Cpu, ConvBackwardData<bf16>);
template void run(Cpu, ConvBackwardData<double>);

}  // namespace autodidact
#endif
