// Gradients of a convolution's weights and bias on CUDA: dw is the product of dy transposed,
// [c_out, pixels], with the matrix of what each output pixel meets under each tap, [pixels, kh kw
// c_in], which is never written out. The sum over pixels is long: it is split over blocks, the
// parts go to the workspace, and a second launch adds them in order.
#include "kernels/conv.h"
#include "kernels/device_scratch.h"
#include "kernels/matrix_cut.h"
#include "kernels/matrix_sums.h"
#include "kernels/pack.h"
#include "kernels/reduction.h"
#include "kernels/vendor/vendor.h"

namespace autodidact {
namespace {

constexpr int kSumThreads = 256;

template <class T>
struct ConvWeights {
  float* dw;    // [splits, c_out, columns]: one part after another
  const T* dy;  // [pixels, c_out]
  const T* x;   // [n, h, w, c_in]
  ConvSizes sizes{};
  int out_h, out_w;
  int columns, pixels;  // kh kw c_in; n out_h out_w
  bool packs_dy, packs_x;
};

template <class Shape, class T>
__global__ void __launch_bounds__(Shape::kThreads) conv_weights_kernel(ConvWeights<T> p, Cut cut) {
  auto& panels = shared<Panels<Shape, false, false>>();
  const ConvSizes& s = p.sizes;
  const PartOfBlock part(cut);
  const int m0 = part.row * Shape::kM, n0 = part.column * Shape::kN;
  const int k0 = part.split * cut.depth, k_end = std::min(p.pixels, k0 + cut.depth);
  TileSums<Shape, false, false> sums;
  multiply_panels(sums, panels, (k_end - k0 + Shape::kK - 1) / Shape::kK, [&](auto& to, int step) {
    const int first = k0 + step * Shape::kK;
    copy_panel<Shape>(to.a, p.packs_dy, [&](int row, int column) {
      const int pixel = first + row, c_out = m0 + column;
      return Source<T>{p.dy + int64_t(pixel) * s.c_out + c_out,
                       pixel < k_end ? s.c_out - c_out : 0};
    });
    copy_panel<Shape>(to.b, p.packs_x, [&](int row, int column) {
      const int pixel = first + row, tap = (n0 + column) / s.c_in, c = (n0 + column) % s.c_in;
      const int line = pixel / p.out_w, sample = line / p.out_h;
      const int y = line % p.out_h * s.stride - s.padding + tap / s.kw * s.dilation;
      const int x = pixel % p.out_w * s.stride - s.padding + tap % s.kw * s.dilation;
      const bool inside =
          pixel < k_end && n0 + column < p.columns && y >= 0 && y < s.h && x >= 0 && x < s.w;
      return Source<T>{p.x + ((int64_t(sample) * s.h + y) * s.w + x) * s.c_in + c,
                       inside ? Shape::kPack : 0};
    });
  });
  float* own = p.dw + int64_t(part.split) * s.c_out * p.columns;
  sums.for_each([&](int row, int column, const auto& v) {
    const int c_out = m0 + row, j = n0 + column;
    if (c_out < s.c_out && j < p.columns)
      store_sums(own + int64_t(c_out) * p.columns + j, v, p.columns - j);
  });
}

// y[i] = the sum of the parts' elements i, in order; N of them a thread.   parts: [splits, size]
template <int N>
__global__ void conv_weights_parts_kernel(float* y, const float* parts, int64_t size, int splits) {
  const int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * N;
  if (i >= size) return;
  auto sum = load<N>(parts + i);
  for (int s = 1; s < splits; ++s) {
    auto add = load<N>(parts + s * size + i);
    for (int j = 0; j < N; ++j) sum.v[j] += add.v[j];
  }
  store(y + i, sum);
}

template <class T>
ConvWeights<T> arguments(const ConvBackwardWeights<T>& p) {
  const ConvSizes& s = p.sizes;
  ConvWeights<T> c{};
  c.dw = p.dw, c.dy = p.dy, c.x = p.x, c.sizes = s;
  c.out_h = s.out_h(), c.out_w = s.out_w();
  c.columns = s.kh * s.kw * s.c_in, c.pixels = s.n * c.out_h * c.out_w;
  c.packs_dy = packs(p.dy, {s.c_out}), c.packs_x = packs(p.x, {s.c_in});
  return c;
}

template <class T>
void conv_weights(Cuda queue, ConvWeights<T> p, const Cut& cut) {
  const int64_t size = int64_t(p.sizes.c_out) * p.columns;
  DeviceScratch<float> parts(queue, cut.splits > 1 ? cut.splits * size : 0);
  float* dw = p.dw;
  if (cut.splits > 1) p.dw = parts.data();
  auto with = [&]<class Shape>(Shape) {
    launch(queue, cut.blocks, Shape::kThreads, sizeof(Panels<Shape, false, false>),
           conv_weights_kernel<Shape, T>, p, cut);
  };
  if (cut.large) with(LargeTile<T>());
  else with(SmallTile<T>());
  if (cut.splits > 1)
    choose_pack<kPack<float>>(size % kPack<float> == 0 && aligned(dw), [&](auto pack) {
      launch(queue, unsigned(tiles_of(size, kSumThreads * pack())), kSumThreads, 0,
             conv_weights_parts_kernel<pack()>, dw, parts.data(), size, cut.splits);
    });
}

}  // namespace

template <class T>
void run(Cuda queue, ConvBackwardWeights<T> p) {
  const ConvWeights<T> c = arguments(p);
  if (p.dbias) run(queue, SumRows<T>{p.dbias, p.dy, c.pixels, p.sizes.c_out});
  if (p.dw && p.sizes.c_out > 0 && c.columns > 0 && !vendor::conv(queue, p))
    conv_weights(queue, c, choose_cut<T>(p.sizes.c_out, c.columns, c.pixels, 1, true));
}

template void run(Cuda, ConvBackwardWeights<float>);
template void run(Cuda, ConvBackwardWeights<bf16>);

}  // namespace autodidact
