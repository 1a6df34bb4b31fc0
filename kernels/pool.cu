// Pooling on CUDA: threads go over packs of channels and over pixels, of the output in the forward
// direction and of the input in the backward one, where each gradient is gathered from the outputs
// whose windows hold the pixel. The average over all pixels is a sum of columns in each sample.
#include "kernels/pool.h"
#include "kernels/columns.h"

namespace autodidact {
namespace {

constexpr int kMostBlocks = 2048;

struct Pixel {
  int sample, row, col;
};
__device__ __forceinline__ Pixel pixel_of(int64_t r, int height, int width) {
  // A 64-bit division takes about a hundred instructions.
  bool fits = r < int64_t(1) << 32;
  int rest = fits ? int(uint32_t(r) / uint32_t(width)) : int(r / width);
  return {rest / height, rest % height, int(r - int64_t(rest) * width)};
}
__device__ __forceinline__ int64_t at(const Pixel& sample, int row, int col, int height, int width,
                                      int channels) {
  return ((int64_t(sample.sample) * height + row) * width + col) * channels;
}

// Positions [first, last) along one axis.
struct Span {
  int first, last;
};
// The part of output o's window that lies inside of the image.
__device__ __forceinline__ Span window(int o, const PoolShape& s, int size) {
  int begin = o * s.stride - s.pad, end = begin + s.kernel;
  return {begin > 0 ? begin : 0, end < size ? end : size};
}
// The outputs whose windows hold position i.
__device__ __forceinline__ Span outputs_of(int i, const PoolShape& s, int outputs) {
  int lowest = i + s.pad - s.kernel + 1, end = (i + s.pad) / s.stride + 1;
  return {lowest <= 0 ? 0 : (lowest + s.stride - 1) / s.stride, end < outputs ? end : outputs};
}
// An input's position in the window of output (oh, ow).
__device__ __forceinline__ uint8_t position(const PoolShape& s, int oh, int ow, int h, int w) {
  return uint8_t((h - oh * s.stride + s.pad) * s.kernel + w - ow * s.stride + s.pad);
}

template <int N, class T>
__global__ void pool_kernel(MaxPoolForward<T> p, ColumnChunks chunks) {
  const PoolShape& s = p.shape;
  ColumnWalk walk = column_walk<N>(chunks);
  for (int64_t r = walk.first; r < walk.end; r += walk.step) {
    Pixel o = pixel_of(r, s.out_height(), s.out_width());
    Span rows = window(o.row, s, s.height), cols = window(o.col, s, s.width);
    Pack<N, T> best{};
    Pack<N, uint8_t> from{};
    bool first = true;
    for (int h = rows.first; h < rows.last; ++h)
      for (int w = cols.first; w < cols.last; ++w) {
        auto x = load<N>(p.x + at(o, h, w, s.height, s.width, s.channels) + walk.col);
        uint8_t here = position(s, o.row, o.col, h, w);
        for (int j = 0; j < N; ++j) {
          float value = float(x.v[j]), most = float(best.v[j]);
          if (first || value > most || (value != value && most == most))
            best.v[j] = x.v[j], from.v[j] = here;
        }
        first = false;
      }
    store(p.y + r * s.channels + walk.col, best);
    if (p.from) store(p.from + r * s.channels + walk.col, from);
  }
}

template <int N, class T>
__global__ void pool_kernel(AvgPoolForward<T> p, ColumnChunks chunks) {
  const PoolShape& s = p.shape;
  ColumnWalk walk = column_walk<N>(chunks);
  for (int64_t r = walk.first; r < walk.end; r += walk.step) {
    Pixel o = pixel_of(r, s.out_height(), s.out_width());
    Span rows = window(o.row, s, s.height), cols = window(o.col, s, s.width);
    auto total = repeated<N>(0.0f);
    for (int h = rows.first; h < rows.last; ++h)
      for (int w = cols.first; w < cols.last; ++w) {
        auto x = load_acc<N>(p.x + at(o, h, w, s.height, s.width, s.channels) + walk.col);
        for (int j = 0; j < N; ++j) total.v[j] += x.v[j];
      }
    for (int j = 0; j < N; ++j) total.v[j] /= float(s.kernel * s.kernel);
    store_acc<N>(p.y + r * s.channels + walk.col, total);
  }
}

template <int N, class T>
__global__ void pool_kernel(MaxPoolBackward<T> p, ColumnChunks chunks) {
  const PoolShape& s = p.shape;
  ColumnWalk walk = column_walk<N>(chunks);
  int out_h = s.out_height(), out_w = s.out_width();
  for (int64_t r = walk.first; r < walk.end; r += walk.step) {
    Pixel i = pixel_of(r, s.height, s.width);
    Span rows = outputs_of(i.row, s, out_h), cols = outputs_of(i.col, s, out_w);
    auto total = repeated<N>(0.0f);
    for (int oh = rows.first; oh < rows.last; ++oh)
      for (int ow = cols.first; ow < cols.last; ++ow) {
        int64_t out = at(i, oh, ow, out_h, out_w, s.channels) + walk.col;
        auto dy = load_acc<N>(p.dy + out);
        auto from = load<N>(p.from + out);
        uint8_t here = position(s, oh, ow, i.row, i.col);
        for (int j = 0; j < N; ++j) total.v[j] += from.v[j] == here ? dy.v[j] : 0.0f;
      }
    store_acc<N>(p.dx + r * s.channels + walk.col, total);
  }
}

template <int N, class T>
__global__ void pool_kernel(AvgPoolBackward<T> p, ColumnChunks chunks) {
  const PoolShape& s = p.shape;
  ColumnWalk walk = column_walk<N>(chunks);
  int out_h = s.out_height(), out_w = s.out_width();
  for (int64_t r = walk.first; r < walk.end; r += walk.step) {
    Pixel i = pixel_of(r, s.height, s.width);
    Span rows = outputs_of(i.row, s, out_h), cols = outputs_of(i.col, s, out_w);
    auto total = repeated<N>(0.0f);
    for (int oh = rows.first; oh < rows.last; ++oh)
      for (int ow = cols.first; ow < cols.last; ++ow) {
        auto dy = load_acc<N>(p.dy + at(i, oh, ow, out_h, out_w, s.channels) + walk.col);
        for (int j = 0; j < N; ++j) total.v[j] += dy.v[j];
      }
    for (int j = 0; j < N; ++j) total.v[j] /= float(s.kernel * s.kernel);
    store_acc<N>(p.dx + r * s.channels + walk.col, total);
  }
}

// blockIdx.x: sample; y: packs of channels.
template <int N, class T>
__global__ void global_avgpool_kernel(GlobalAvgPoolForward<T> p) {
  int c = int(blockIdx.y * blockDim.x + threadIdx.x) * N;
  const T* x = p.x + int64_t(blockIdx.x) * p.pixels * p.channels + c;
  auto total = repeated<N>(0.0f);
  for (int i = int(threadIdx.y); c < p.channels && i < p.pixels; i += int(blockDim.y)) {
    auto v = load_acc<N>(x + int64_t(i) * p.channels);
    for (int j = 0; j < N; ++j) total.v[j] += v.v[j];
  }
  sum_over_y(total.v, &shared<float>());
  if (threadIdx.y > 0 || c >= p.channels) return;
  for (int j = 0; j < N; ++j) total.v[j] /= float(p.pixels);
  store_acc<N>(p.y + int64_t(blockIdx.x) * p.channels + c, total);
}

template <int N, class T>
__global__ void pool_kernel(GlobalAvgPoolBackward<T> p, ColumnChunks chunks) {
  ColumnWalk walk = column_walk<N>(chunks);
  if (!walk.inside) return;
  auto d = load_acc<N>(p.dy + int64_t(walk.part) * p.channels + walk.col);
  for (int j = 0; j < N; ++j) d.v[j] /= float(p.pixels);
  for (int64_t r = walk.first; r < walk.end; r += walk.step)
    store_acc<N>(p.dx + r * p.channels + walk.col, d);
}

// rows: pixels that are written, of each of `parts` samples where they are treated apart.
template <class T, class P>
void launch_pool(Cuda queue, const P& p, int64_t rows, int channels, int parts, bool are_aligned) {
  if (rows == 0 || channels == 0 || parts == 0) return;
  choose_pack<kPack<T>>(are_aligned && channels % kPack<T> == 0, [&](auto pack) {
    auto chunks = column_chunks(rows, channels, parts, pack(), kMostBlocks);
    void (*kernel)(P, ColumnChunks) = pool_kernel<pack(), T>;
    launch(queue, chunks.grid, chunks.block, 0, kernel, p, chunks);
  });
}
int64_t outputs(const PoolShape& s) { return int64_t(s.samples) * s.out_height() * s.out_width(); }
int64_t inputs(const PoolShape& s) { return int64_t(s.samples) * s.height * s.width; }

}  // namespace

template <class T>
void run(Cuda queue, MaxPoolForward<T> p) {
  launch_pool<T>(queue, p, outputs(p.shape), p.shape.channels, 1, aligned(p.y, p.from, p.x));
}
template <class T>
void run(Cuda queue, MaxPoolBackward<T> p) {
  launch_pool<T>(queue, p, inputs(p.shape), p.shape.channels, 1, aligned(p.dx, p.dy, p.from));
}
template <class T>
void run(Cuda queue, AvgPoolForward<T> p) {
  launch_pool<T>(queue, p, outputs(p.shape), p.shape.channels, 1, aligned(p.y, p.x));
}
template <class T>
void run(Cuda queue, AvgPoolBackward<T> p) {
  launch_pool<T>(queue, p, inputs(p.shape), p.shape.channels, 1, aligned(p.dx, p.dy));
}

template <class T>
void run(Cuda queue, GlobalAvgPoolForward<T> p) {
  if (p.samples == 0 || p.channels == 0) return;
  choose_pack<kPack<T>>(aligned(p.y, p.x) && p.channels % kPack<T> == 0, [&](auto pack) {
    dim3 block = column_block(p.channels, pack());
    dim3 grid(unsigned(p.samples), unsigned(div_up(p.channels, int64_t(block.x) * pack())));
    launch(queue, grid, block, sums_memory(block, pack(), sizeof(float)),
           global_avgpool_kernel<pack(), T>, p);
  });
}
template <class T>
void run(Cuda queue, GlobalAvgPoolBackward<T> p) {
  launch_pool<T>(queue, p, p.pixels, p.channels, p.samples, aligned(p.dx, p.dy));
}

#define INSTANCES(T)                                \
  template void run(Cuda, MaxPoolForward<T>);       \
  template void run(Cuda, MaxPoolBackward<T>);      \
  template void run(Cuda, AvgPoolForward<T>);       \
  template void run(Cuda, AvgPoolBackward<T>);      \
  template void run(Cuda, GlobalAvgPoolForward<T>); \
  template void run(Cuda, GlobalAvgPoolBackward<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
