// Views on CUDA: a block renders one view after another, in planes of working memory of its own, as
// view-inl.h does on the CPU. Its threads go through the pixels in the same strides in every step,
// so that steps of single pixels need no barrier between them: what reads neighbours does, and the
// contrast's mean.
#include "kernels/device_scratch.h"
#include "kernels/pack.h"
#include "kernels/reduce.h"
#include "kernels/view.h"

namespace autodidact {
namespace {

#include "kernels/view_pixel.h"

constexpr int kThreads = 256;

// What a block works in. The rows' pass and the blur's first one are never wanted at once.
struct ViewMemory {
  float* planes;  // [3, size, size]
  float* passed;  // [size, columns, 3] after the rows' pass; [3, size, size] in the blur
  float *row_weight, *column_weight, *blur_weight;  // [size, taps] each; [window]
  int *row_first, *column_first;                    // [size] each

  // Floats and ints, all counted as 4 bytes.
  static int64_t numbers(int height, int width, int size, bool cubic, int window) {
    const int64_t side = size, widest = width > size ? width : size;
    return 3 * side * side + 3 * side * widest +
           side * (most_taps(height, size, cubic) + most_taps(width, size, cubic)) + window +
           2 * side;
  }
  template <class T>
  __device__ __forceinline__ static ViewMemory at(float* memory, const RenderViews<T>& p) {
    const int64_t side = p.size, widest = p.width > p.size ? p.width : p.size;
    ViewMemory m;
    m.planes = memory;
    m.passed = m.planes + 3 * side * side;
    m.row_weight = m.passed + 3 * side * widest;
    m.column_weight = m.row_weight + side * most_taps(p.height, p.size, p.cubic);
    m.blur_weight = m.column_weight + side * most_taps(p.width, p.size, p.cubic);
    m.row_first = reinterpret_cast<int*>(m.blur_weight + p.blur_window);
    m.column_first = m.row_first + side;
    return m;
  }
};

// f(0), .. f(n - 1), by all threads of the block.
template <class F>
__device__ __forceinline__ void each(int n, F f) {
  for (int i = int(threadIdx.x); i < n; i += kThreads) f(i);
}

template <class T>
__device__ void resample(const ViewMemory& m, const RenderViews<T>& p, const ViewDraw& d) {
  const int size = p.size, columns = 3 * d.width;
  const int row_taps = most_taps(d.height, size, p.cubic);
  const int column_taps = most_taps(d.width, size, p.cubic);
  each(size, [&](int i) {
    m.row_first[i] = output_taps(m.row_weight + i * row_taps, i, row_taps, d.height, size, p.cubic);
    m.column_first[i] =
        output_taps(m.column_weight + i * column_taps, i, column_taps, d.width, size, p.cubic);
  });
  __syncthreads();
  const uint8_t* corner =
      p.images + (int64_t(d.image) * p.height * p.width + int64_t(d.top) * p.width + d.left) * 3;
  each(size * columns, [&](int at) {
    const int i = at / columns, k = at % columns;
    const uint8_t* pixel = corner + int64_t(m.row_first[i]) * p.width * 3 + k;
    float sum = 0;
    for (int t = 0; t < row_taps; ++t, pixel += p.width * 3)
      sum += m.row_weight[i * row_taps + t] / 255 * float(*pixel);
    m.passed[at] = sum;
  });
  __syncthreads();
  each(size * size, [&](int at) {
    const int i = at / size, column = at % size, j = d.flip ? size - 1 - column : column;
    const float* from = m.passed + i * columns + m.column_first[j] * 3;
    float r = 0, g = 0, b = 0;
    for (int t = 0; t < column_taps; ++t, from += 3) {
      const float w = m.column_weight[j * column_taps + t];
      r += w * from[0], g += w * from[1], b += w * from[2];
    }
    if (p.cubic) r = clamped(r), g = clamped(g), b = clamped(b);  // which overshoots
    const int n = size * size;
    m.planes[at] = r, m.planes[n + at] = g, m.planes[2 * n + at] = b;
  });
}

// f(r, g, b) changes each pixel in place.
template <class F>
__device__ __forceinline__ void each_pixel(float* v, int n, F f) {
  each(n, [&](int i) { f(v[i], v[n + i], v[2 * n + i]); });
}

__device__ void change_colour(float* v, int n, ColourOp op, const ViewDraw& d) {
  if (op == ColourOp::hue) {
    const float shift = hue_shift(d.hue);
    if (d.hue != 0)
      each_pixel(v, n, [&](float& r, float& g, float& b) { turn_hue(r, g, b, shift); });
    return;
  }
  const float factor = op == ColourOp::brightness ? d.brightness
                       : op == ColourOp::contrast ? d.contrast
                                                  : d.saturation;
  if (factor == 1) return;
  float mean = 0;
  if (op == ColourOp::contrast) {
    float sum = 0;
    each_pixel(v, n, [&](float r, float g, float b) { sum += grey_of(r, g, b); });
    mean = row_sum(sum, shared<RowMemory<float>>()) / float(n);
  }
  each_pixel(v, n, [&](float& r, float& g, float& b) {
    const float other = op == ColourOp::saturation ? grey_of(r, g, b) : mean;
    const float rest = (1 - factor) * other;  // brightness: of black
    r = clamped(factor * r + rest), g = clamped(factor * g + rest), b = clamped(factor * b + rest);
  });
}

__device__ void blur(const ViewMemory& m, int size, float sigma, int window) {
  const int n = size * size, reach = window / 2;
  each(window, [&](int t) {
    const float x = float(t - reach) / sigma;
    m.blur_weight[t] = float(::exp(double(-0.5f * x * x)));
  });
  __syncthreads();  // and all planes are there
  float total = 0;
  for (int t = 0; t < window; ++t) total += m.blur_weight[t];
  each(3 * n, [&](int at) {
    const int j = at % size;
    const float* row = m.planes + (at - j);
    float sum = 0;
    for (int t = 0; t < window; ++t)
      sum += m.blur_weight[t] / total * row[reflected(j + t - reach, size)];
    m.passed[at] = sum;
  });
  __syncthreads();
  each(3 * n, [&](int at) {
    const int plane = at / n, i = at % n / size, j = at % size;
    const float* column = m.passed + plane * n + j;
    float sum = 0;
    for (int t = 0; t < window; ++t)
      sum += m.blur_weight[t] / total * column[reflected(i + t - reach, size) * size];
    m.planes[at] = sum;
  });
}

// v[c]. An index that the compiler does not know would bring all arguments into local memory.
__device__ __forceinline__ float of_channel(const float (&v)[3], int c) {
  return c == 0 ? v[0] : c == 1 ? v[1] : v[2];
}

template <int N, class T>
__device__ void write_view(T* y, const ViewMemory& m, const RenderViews<T>& p, bool solarize) {
  const int n = p.size * p.size;
  for (int first = int(threadIdx.x) * N; first < 3 * n; first += kThreads * N) {
    Pack<N, T> out;
    for (int k = 0; k < N; ++k) {
      const int c = (first + k) % 3;
      float v = m.planes[c * n + (first + k) / 3];
      if (solarize && v >= 0.5f) v = 1 - v;
      const float scale = 1 / of_channel(p.std, c);
      out.v[k] = T(v * scale - of_channel(p.mean, c) * scale);
    }
    store(y + first, out);
  }
}

template <int N, class T>
__global__ void render_views_kernel(RenderViews<T> p, float* memory, int64_t numbers) {
  const ViewMemory m = ViewMemory::at(memory + int64_t(blockIdx.x) * numbers, p);
  const int n = p.size * p.size;
  for (int view = int(blockIdx.x); view < p.views; view += int(gridDim.x)) {
    const ViewDraw& d = p.draws[view];
    resample(m, p, d);
    if (d.jitter)
      for (int i = 0; i < 4; ++i) change_colour(m.planes, n, d.order[i], d);
    if (d.grey)
      each_pixel(m.planes, n, [&](float& r, float& g, float& b) { r = g = b = grey_of(r, g, b); });
    if (d.sigma > 0) blur(m, p.size, d.sigma, p.blur_window);
    __syncthreads();  // the numbers of a pixel lie side by side in the view
    write_view<N>(p.y + int64_t(view) * 3 * n, m, p, d.solarize);
    // The next view writes planes after two barriers more.
  }
}

}  // namespace

template <class T>
void run(Cuda queue, RenderViews<T> p) {
  if (p.views == 0) return;
  const int64_t numbers = ViewMemory::numbers(p.height, p.width, p.size, p.cubic, p.blur_window);
  // As many blocks as there is room for; one at least, whose need the error says where there is
  // not.
  const int64_t room =
      queue.workspace ? int64_t(queue.workspace->size - queue.workspace->used) / 4 - 256 : 0;
  const int64_t fit = room / numbers, blocks = fit < 1 ? 1 : fit < p.views ? fit : p.views;
  DeviceScratch<float> memory(queue, blocks * numbers);
  const bool packs = aligned(p.y) && p.size * p.size * 3 % kPack<T> == 0;
  choose_pack<kPack<T>>(packs, [&](auto pack) {
    launch(queue, unsigned(blocks), kThreads, sizeof(RowMemory<float>),
           render_views_kernel<pack(), T>, p, memory.data(), numbers);
  });
}

template void run(Cuda, RenderViews<float>);
template void run(Cuda, RenderViews<bf16>);

}  // namespace autodidact
