// Convolution forward and the gradient of its input on CUDA. Both are a matrix product in which A
// is never written out: rows are pixels of a grid, k runs over the taps that reach the grid and the
// channels, and an element of A is that of the pixel which the tap meets. The forward pass has one
// grid; the gradient has stride * stride of them, as conv_geometry.h explains, one launch each.
#include <numeric>
#include "kernels/conv.h"
#include "kernels/matrix_cut.h"
#include "kernels/matrix_sums.h"
#include "kernels/vendor/vendor.h"

namespace autodidact {
namespace {

// The taps of one direction, ky or kx, that reach a grid. Pixel i of the grid meets, under tap
// number t of `count`, which is tap first + t * step of the kernel, pixel
// i * spacing + origin + t * shift of the input.
struct TapAxis {
  int count, first, step;
  int spacing, origin, shift;
};

TapAxis forward_axis(const ConvSizes& s, int kernel) {
  return {kernel, 0, 1, s.stride, -s.padding, s.dilation};
}
// x[h], h = phase + i * stride, is met by dy[(h + padding - ky * dilation) / stride] where whole.
TapAxis backward_axis(const ConvSizes& s, int kernel, int phase) {
  int first = 0;
  while (first < kernel && (phase + s.padding - first * s.dilation) % s.stride != 0) ++first;
  const int step = s.stride / std::gcd(s.stride, s.dilation);
  return {first < kernel ? (kernel - 1 - first) / step + 1 : 0,
          first,
          step,
          1,
          (phase + s.padding - first * s.dilation) / s.stride,
          -step * s.dilation / s.stride};
}

template <class T>
struct ConvPixels {
  T* out;              // [n, out_h, out_w, out_c]: pixel (i, j) of the grid is
  const T* in;         // [n, in_h, in_w, in_c]      (first_y + i * apart, first_x + j * apart)
  const T* w;          // [c_out, kh, kw, c_in]
  const Acc<T>* bias;  // [out_c], or null
  int in_h, in_w, in_c;
  int out_h, out_w, out_c;
  int grid_h, grid_w, first_y, first_x, apart;
  TapAxis y, x;
  int kh, kw;
  int pixels, depth;  // of the product: rows, and the length of k
  bool packs_in, packs_w;
};

// A row of A.
struct Pixel {
  int64_t out;  // where it begins in out; negative: there is none
  int line;     // sample * in_h
  int y, x;     // of the input, under tap 0
};

template <class Shape, bool kBackward>
struct ConvPixelsMemory {
  Panels<Shape, true, !kBackward> panels;
  Pixel pixels[Shape::kM];
};

template <class T>
__device__ __forceinline__ Pixel pixel_of(const ConvPixels<T>& p, int number) {
  if (number >= p.pixels) return {-1, 0, 0, 0};
  const int j = number % p.grid_w, i = number / p.grid_w % p.grid_h;
  const int sample = number / p.grid_w / p.grid_h;
  const int64_t line = int64_t(sample) * p.out_h + p.first_y + i * p.apart;
  return {(line * p.out_w + p.first_x + j * p.apart) * p.out_c, sample * p.in_h,
          i * p.y.spacing + p.y.origin, j * p.x.spacing + p.x.origin};
}

template <class Shape, bool kBackward, class T>
__global__ void __launch_bounds__(Shape::kThreads) conv_pixels_kernel(ConvPixels<T> p, Cut cut) {
  auto& memory = shared<ConvPixelsMemory<Shape, kBackward>>();
  const PartOfBlock part(cut);
  const int n0 = part.column * Shape::kN;
  for (int row = int(threadIdx.x); row < Shape::kM; row += Shape::kThreads)
    memory.pixels[row] = pixel_of(p, part.row * Shape::kM + row);
  __syncthreads();

  TileSums<Shape, true, !kBackward> sums;
  multiply_panels(
      sums, memory.panels, (p.depth + Shape::kK - 1) / Shape::kK, [&](auto& to, int step) {
        const int k0 = step * Shape::kK;
        copy_panel<Shape>(to.a, p.packs_in, [&](int row, int column) {
          const int k = k0 + column, tap = k / p.in_c, c = k % p.in_c;
          const Pixel pixel = memory.pixels[row];
          const int y = pixel.y + tap / p.x.count * p.y.shift;
          const int x = pixel.x + tap % p.x.count * p.x.shift;
          const bool inside =
              pixel.out >= 0 && k < p.depth && y >= 0 && y < p.in_h && x >= 0 && x < p.in_w;
          const int64_t i = (int64_t(pixel.line + y) * p.in_w + x) * p.in_c + c;
          return Source<T>{p.in + i, inside ? Shape::kPack : 0};
        });
        copy_panel<Shape>(to.b, p.packs_w, [&](int row, int column) {
          if (!kBackward) {  // all taps, in order: w is the matrix [c_out, depth]
            const int k = k0 + column, c = n0 + row;
            return Source<T>{p.w + int64_t(c) * p.depth + k, c < p.out_c ? p.depth - k : 0};
          }
          const int k = k0 + row, tap = k / p.in_c, c_out = k % p.in_c, c = n0 + column;
          const int ky = p.y.first + tap / p.x.count * p.y.step;
          const int kx = p.x.first + tap % p.x.count * p.x.step;
          return Source<T>{p.w + ((int64_t(c_out) * p.kh + ky) * p.kw + kx) * p.out_c + c,
                           k < p.depth ? p.out_c - c : 0};
        });
      });

  sums.for_each([&](int row, int column, const auto& v) {
    const int64_t out = memory.pixels[row].out;
    const int c = n0 + column;
    if (out < 0 || c >= p.out_c) return;
    constexpr int kCount = sizeof(v) / sizeof(float);
    float y[kCount];
    UNROLL
    for (int n = 0; n < kCount; ++n) y[n] = p.bias && c + n < p.out_c ? v[n] + p.bias[c + n] : v[n];
    store_sums(p.out + out + c, y, p.out_c - c);
  });
}

template <class T>
ConvPixels<T> arguments(const ConvForward<T>& p) {
  const ConvSizes& s = p.sizes;
  ConvPixels<T> c{};
  c.out = p.y, c.in = p.x, c.w = p.w, c.bias = p.bias;
  c.in_h = s.h, c.in_w = s.w, c.in_c = s.c_in;
  c.out_h = c.grid_h = s.out_h(), c.out_w = c.grid_w = s.out_w(), c.out_c = s.c_out;
  c.first_y = c.first_x = 0, c.apart = 1;
  c.y = forward_axis(s, s.kh), c.x = forward_axis(s, s.kw);
  c.kh = s.kh, c.kw = s.kw;
  c.pixels = s.n * c.grid_h * c.grid_w, c.depth = s.kh * s.kw * s.c_in;
  c.packs_in = packs(p.x, {s.c_in}), c.packs_w = packs(p.w, {c.depth});
  return c;
}

// Of the grid of pixels (first_y + i * stride, first_x + j * stride).
template <class T>
ConvPixels<T> arguments(const ConvBackwardData<T>& p, int first_y, int first_x) {
  const ConvSizes& s = p.sizes;
  ConvPixels<T> c{};
  c.out = p.dx, c.in = p.dy, c.w = p.w;
  c.in_h = s.out_h(), c.in_w = s.out_w(), c.in_c = s.c_out;
  c.out_h = s.h, c.out_w = s.w, c.out_c = s.c_in;
  c.first_y = first_y, c.first_x = first_x, c.apart = s.stride;
  c.grid_h = (s.h - first_y + s.stride - 1) / s.stride;
  c.grid_w = (s.w - first_x + s.stride - 1) / s.stride;
  c.y = backward_axis(s, s.kh, first_y), c.x = backward_axis(s, s.kw, first_x);
  c.kh = s.kh, c.kw = s.kw;
  c.pixels = s.n * c.grid_h * c.grid_w, c.depth = c.y.count * c.x.count * s.c_out;
  c.packs_in = packs(p.dy, {s.c_out}), c.packs_w = packs(p.w, {s.c_in});
  return c;
}

template <class T>
Cut cut_of(const ConvPixels<T>& p) {
  return choose_cut<T>(p.pixels, p.out_c, p.depth, 1, false);
}

template <bool kBackward, class T>
void conv_pixels(Cuda queue, const ConvPixels<T>& p, const Cut& cut) {
  if (p.pixels == 0 || p.out_c == 0) return;
  auto with = [&]<class Shape>(Shape) {
    launch(queue, cut.blocks, Shape::kThreads, sizeof(ConvPixelsMemory<Shape, kBackward>),
           conv_pixels_kernel<Shape, kBackward, T>, p, cut);
  };
  if (cut.large) with(LargeTile<T>());
  else with(SmallTile<T>());
}

}  // namespace

template <class T>
void run(Cuda queue, ConvForward<T> p) {
  if (vendor::conv(queue, p)) return;
  const ConvPixels<T> c = arguments(p);
  conv_pixels<false>(queue, c, cut_of(c));
}

template <class T>
void run(Cuda queue, ConvBackwardData<T> p) {
  if (vendor::conv(queue, p)) return;
  for (int y = 0; y < std::min(p.sizes.stride, p.sizes.h); ++y)
    for (int x = 0; x < std::min(p.sizes.stride, p.sizes.w); ++x) {
      const ConvPixels<T> c = arguments(p, y, x);
      conv_pixels<true>(queue, c, cut_of(c));
    }
}

template void run(Cuda, ConvForward<float>);
template void run(Cuda, ConvForward<bf16>);
template void run(Cuda, ConvBackwardData<float>);
template void run(Cuda, ConvBackwardData<bf16>);

}  // namespace autodidact
