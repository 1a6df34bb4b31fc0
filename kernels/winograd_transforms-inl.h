// The transforms of Winograd's convolution F(4x4, 3x3) (Lavin and Gray 2016, "Fast algorithms for
// convolutional neural networks", section 4.3): a tile of 4 x 4 outputs and its 6 x 6 inputs are
// polynomials, multiplied by their values at the points 0, 1, -1, 1/2, -2 and infinity, so that
//   y = A^T [(G g G^T) * (B^T d B)] A          36 products a tile in place of 144,
// and, each of the three linear maps transposed, the gradients of d and g. The points are powers of
// two with small products: the error in f32 is about 3 times that of the direct sum (the usual
// 0, +-1, +-2 cost 4.5 times; tests/kernels/test_winograd.cpp holds all passes to 5).
// A vector holds channels; a map works on the six (four, three) vectors of one row or column.
// Included once per target, as simd-inl.h.
#if defined(AUTODIDACT_KERNELS_WINOGRAD_TRANSFORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AUTODIDACT_KERNELS_WINOGRAD_TRANSFORMS_INL_H_
#undef AUTODIDACT_KERNELS_WINOGRAD_TRANSFORMS_INL_H_
#else
#define AUTODIDACT_KERNELS_WINOGRAD_TRANSFORMS_INL_H_
#endif

#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

HWY_INLINE Vec number(double c) { return hn::Set(F32(), float(c)); }

// B^T. Row p holds the coefficients of m(x) / (x - p), the last those of m(x) itself, where
// m(x) = x (x - 1) (x + 1) (x - 1/2) (x + 2); the factors shared by rows are taken once.
struct InputMap {
  static constexpr int kIn = 6, kOut = 6;
  HWY_INLINE static void apply(const Vec* d, Vec* v) {
    const Vec c = number(1.5);  // (x - 1/2) (x + 2) = x^2 + 1.5 x - 1
    const Vec a0 = hn::Sub(d[2], d[0]), a1 = hn::Sub(d[3], d[1]);  // (x^2 - 1) d, moved by 0 .. 3
    const Vec a2 = hn::Sub(d[4], d[2]), a3 = hn::Sub(d[5], d[3]);
    const Vec b0 = hn::MulAdd(c, d[2], a1), b1 = hn::MulAdd(c, d[3], a2);
    v[0] = hn::MulAdd(c, a1, hn::Sub(a2, a0));
    v[1] = hn::Add(b1, b0);
    v[2] = hn::Sub(b1, b0);
    v[3] = hn::MulAdd(number(2), a1, a2);
    v[4] = hn::MulAdd(number(-0.5), a1, a2);
    v[5] = hn::MulAdd(c, a2, hn::Sub(a3, a1));
  }
};

// G: the kernel's values at the points, over the products of differences of the points.
struct WeightMap {
  static constexpr int kIn = 3, kOut = 6;
  HWY_INLINE static void apply(const Vec* g, Vec* u) {
    const Vec even = hn::Add(g[0], g[2]), third = number(1.0 / 3);
    u[0] = g[0];
    u[1] = hn::Mul(third, hn::Add(even, g[1]));
    u[2] = hn::Mul(third, hn::Sub(g[1], even));
    u[3] = hn::Mul(number(-16.0 / 15),
                   hn::MulAdd(number(0.25), g[2], hn::MulAdd(number(0.5), g[1], g[0])));
    u[4] =
        hn::Mul(number(1.0 / 15), hn::MulAdd(number(4), g[2], hn::MulAdd(number(-2), g[1], g[0])));
    u[5] = g[2];
  }
};

// A^T
struct OutputMap {
  static constexpr int kIn = 6, kOut = 4;
  HWY_INLINE static void apply(const Vec* m, Vec* y) {
    const Vec even = hn::Add(m[1], m[2]), odd = hn::Sub(m[1], m[2]);
    y[0] = hn::Add(hn::Add(m[0], even), hn::Add(m[3], m[4]));
    y[1] = hn::MulAdd(number(-2), m[4], hn::MulAdd(number(0.5), m[3], odd));
    y[2] = hn::MulAdd(number(4), m[4], hn::MulAdd(number(0.25), m[3], even));
    y[3] = hn::MulAdd(number(-8), m[4], hn::MulAdd(number(0.125), m[3], hn::Add(odd, m[5])));
  }
};

// A: the gradient of the outputs as that of the products.
struct OutputGradientMap {
  static constexpr int kIn = 4, kOut = 6;
  HWY_INLINE static void apply(const Vec* y, Vec* m) {
    const Vec even = hn::Add(y[0], y[2]), odd = hn::Add(y[1], y[3]);
    auto at = [&](double p) HWY_ATTR {
      const Vec x = number(p);
      return hn::MulAdd(hn::MulAdd(hn::MulAdd(y[3], x, y[2]), x, y[1]), x, y[0]);
    };
    m[0] = y[0];
    m[1] = hn::Add(even, odd);
    m[2] = hn::Sub(even, odd);
    m[3] = at(0.5);
    m[4] = at(-2);
    m[5] = y[3];
  }
};

// G^T: the gradient of the transformed weights as that of the kernel.
struct WeightGradientMap {
  static constexpr int kIn = 6, kOut = 3;
  HWY_INLINE static void apply(const Vec* u, Vec* g) {
    const Vec third = number(1.0 / 3);
    const Vec even = hn::Mul(third, hn::Sub(u[1], u[2]));
    const Vec odd = hn::Mul(third, hn::Add(u[1], u[2]));
    const Vec half = hn::Mul(number(-16.0 / 15), u[3]), two = hn::Mul(number(1.0 / 15), u[4]);
    g[0] = hn::Add(hn::Add(u[0], even), hn::Add(half, two));
    g[1] = hn::MulAdd(number(0.5), half, hn::MulAdd(number(-2), two, odd));
    g[2] = hn::MulAdd(number(0.25), half, hn::MulAdd(number(4), two, hn::Add(even, u[5])));
  }
};

// The map along columns, then along rows: load(row, column) gives the kIn x kIn vectors,
// store(vector, row, column) takes the kOut x kOut ones.
template <class Map, class Load, class Store>
HWY_INLINE void map_both_ways(Load&& load, Store&& store) {
  Vec half[Map::kOut][Map::kIn];
#pragma GCC unroll 6
  for (int column = 0; column < Map::kIn; ++column) {
    Vec in[Map::kIn], out[Map::kOut];
#pragma GCC unroll 6
    for (int row = 0; row < Map::kIn; ++row) in[row] = load(row, column);
    Map::apply(in, out);
#pragma GCC unroll 6
    for (int row = 0; row < Map::kOut; ++row) half[row][column] = out[row];
  }
#pragma GCC unroll 6
  for (int row = 0; row < Map::kOut; ++row) {
    Vec out[Map::kOut];
    Map::apply(half[row], out);
#pragma GCC unroll 6
    for (int column = 0; column < Map::kOut; ++column) store(out[column], row, column);
  }
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
