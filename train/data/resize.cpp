// Separable resampling. For output pixel i the filter is a triangle centred at (i + 0.5) * step in
// input pixels, of half-width max(step, 1); its taps are normalised to sum to 1 and rounded to
// 22-bit fixed point, and each pass rounds its result to 8 bits. These are PIL's choices, so that
// pictures resized here and there agree.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "train/data/resize.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <algorithm>
#include <cmath>
#include "kernels/cpu_class.h"
#include "train/data/image.h"

#ifndef RESIZE_PLAIN  // once, for all classes
#define RESIZE_PLAIN
namespace autodidact {
namespace {

constexpr int kBits = 22;  // 8 bits of pixel + 22 of weight + 2 of headroom in an int32
constexpr int32_t kHalf = 1 << (kBits - 1);

struct Taps {
  std::vector<int> first, count;  // [n]: input pixels first .. first + count - 1
  std::vector<int32_t> weight;    // [n, width]
  int width;
};

// The taps of n output pixels over input [begin, end) of an axis with `size` pixels.
Taps make_taps(int n, double begin, double end, int size) {
  double step = (end - begin) / n, reach = std::max(step, 1.0), narrowing = 1 / reach;
  Taps t{
      std::vector<int>(size_t(n)), std::vector<int>(size_t(n)), {}, int(std::ceil(reach)) * 2 + 1};
  t.weight.resize(size_t(n) * size_t(t.width));
  std::vector<double> w(size_t(t.width));
  for (int i = 0; i < n; ++i) {
    double centre = begin + (i + 0.5) * step, sum = 0;
    int first = std::max(0, int(centre - reach + 0.5));
    int count = std::min(size, int(centre + reach + 0.5)) - first;
    for (int k = 0; k < count; ++k) {
      double distance = std::abs((k + first - centre + 0.5) * narrowing);
      w[size_t(k)] = std::max(0.0, 1 - distance);
      sum += w[size_t(k)];
    }
    const double norm = 1 / sum;
    for (int k = 0; k < count; ++k)
      t.weight[size_t(i) * size_t(t.width) + size_t(k)] =
          int32_t(w[size_t(k)] * norm * (1 << kBits) + 0.5);
    t.first[size_t(i)] = first, t.count[size_t(i)] = count;
  }
  return t;
}

}  // namespace

namespace plain {
namespace {

uint8_t rounded(int32_t fixed) { return uint8_t(std::clamp(fixed >> kBits, 0, 255)); }

// A row of t.first.size() pixels each; every body may read and write one byte behind a row.
void narrow_row(uint8_t* to, const uint8_t* in, const Taps& t) {
  for (size_t x = 0; x < t.first.size(); ++x, to += 3) {
    const uint8_t* p = in + t.first[x] * 3;
    const int32_t* w = t.weight.data() + x * size_t(t.width);
    int32_t r = kHalf, g = r, b = r;
    for (int k = 0; k < t.count[x]; ++k, p += 3)
      r += w[k] * p[0], g += w[k] * p[1], b += w[k] * p[2];
    to[0] = rounded(r), to[1] = rounded(g), to[2] = rounded(b);
  }
}
void narrow_rows(uint8_t* to0, uint8_t* to1, const uint8_t* in0, const uint8_t* in1,
                 const Taps& t) {
  narrow_row(to0, in0, t);
  narrow_row(to1, in1, t);
}

// out[i] = sum_k w[k] in[k stride + i]
void sum_rows(uint8_t* out, const uint8_t* in, size_t stride, const int32_t* w, int count, int n) {
  for (int i = 0; i < n; ++i) {
    int32_t sum = kHalf;
    for (int k = 0; k < count; ++k) sum += w[k] * in[size_t(k) * stride + size_t(i)];
    out[i] = rounded(sum);
  }
}

}  // namespace
}  // namespace plain
}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {
#include "train/data/resize-inl.h"
}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {

void resize(uint8_t* out, int height, int width, const Image& image, Box box) {
  const Taps across = make_taps(width, box.left, box.right, image.width);
  const Taps down = make_taps(height, box.top, box.bottom, image.height);
  const auto narrow_rows = for_cpu_class<decltype(plain::narrow_rows)>(
      plain::narrow_rows, N_AVX2::narrow_rows, N_AVX3::narrow_rows);
  const auto sum_rows =
      for_cpu_class<decltype(plain::sum_rows)>(plain::sum_rows, N_AVX2::sum_rows, N_AVX3::sum_rows);
  int top = down.first[0], bottom = 0;
  for (int i = 0; i < height; ++i)
    bottom = std::max(bottom, down.first[size_t(i)] + down.count[size_t(i)]);

  const size_t row = size_t(width) * 3, stride = row + 1, from = size_t(image.width) * 3;
  std::vector<uint8_t> narrow(size_t(bottom - top) * stride);  // [bottom - top, width, 3]
  // The picture's last row has no byte behind it.
  std::vector<uint8_t> last(image.rgb.end() - std::ptrdiff_t(from), image.rgb.end());
  last.push_back(0);
  auto row_of = [&](int y) {
    return y + 1 < image.height ? image.rgb.data() + size_t(y) * from : last.data();
  };
  for (int y = top; y < bottom; y += 2) {  // an odd last one twice
    const int second = std::min(y + 1, bottom - 1);
    narrow_rows(narrow.data() + size_t(y - top) * stride,
                narrow.data() + size_t(second - top) * stride, row_of(y), row_of(second), across);
  }
  for (int y = 0; y < height; ++y)
    sum_rows(out + size_t(y) * row, narrow.data() + size_t(down.first[size_t(y)] - top) * stride,
             stride, down.weight.data() + size_t(y) * size_t(down.width), down.count[size_t(y)],
             int(row));
}

Image resized(const Image& image, int height, int width) {
  Image out{height, width, std::vector<uint8_t>(size_t(height) * size_t(width) * 3)};
  resize(out.rgb.data(), height, width, image, {0, 0, double(image.height), double(image.width)});
  return out;
}

Box central_square(const Image& image) {
  double side = std::min(image.height, image.width);
  double top = (image.height - side) / 2, left = (image.width - side) / 2;
  return {top, left, top + side, left + side};
}

void resize_square(uint8_t* out, int side, const Image& image) {
  if (image.height == side && image.width == side)
    std::copy(image.rgb.begin(), image.rgb.end(), out);
  else resize(out, side, side, image, central_square(image));
}

}  // namespace autodidact
#endif
