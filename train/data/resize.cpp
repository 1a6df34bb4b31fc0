// Separable resampling. For output pixel i the filter is a triangle centred at (i + 0.5) * step in
// input pixels, of half-width max(step, 1); its taps are normalised to sum to 1 and rounded to
// 22-bit fixed point, and each pass rounds its result to 8 bits. These are PIL's choices, so that
// pictures resized here and there agree.
#include <algorithm>
#include <cmath>
#include "train/data/image.h"

namespace autodidact {
namespace {

constexpr int kBits = 22;  // 8 bits of pixel + 22 of weight + 2 of headroom in an int32

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

uint8_t rounded(int32_t fixed) { return uint8_t(std::clamp(fixed >> kBits, 0, 255)); }

}  // namespace

void resize(uint8_t* out, int height, int width, const Image& image, Box box) {
  Taps across = make_taps(width, box.left, box.right, image.width);
  Taps down = make_taps(height, box.top, box.bottom, image.height);
  int top = down.first[0], bottom = 0;
  for (int i = 0; i < height; ++i)
    bottom = std::max(bottom, down.first[size_t(i)] + down.count[size_t(i)]);

  const size_t row = size_t(width) * 3;
  std::vector<uint8_t> narrow(size_t(bottom - top) * row);  // [bottom - top, width, 3]
  for (int y = top; y < bottom; ++y) {
    const uint8_t* in = image.rgb.data() + size_t(y) * size_t(image.width) * 3;
    uint8_t* to = narrow.data() + size_t(y - top) * row;
    for (int x = 0; x < width; ++x) {
      const uint8_t* p = in + size_t(across.first[size_t(x)]) * 3;
      const int32_t* w = across.weight.data() + size_t(x) * size_t(across.width);
      int32_t r = 1 << (kBits - 1), g = r, b = r;
      for (int k = 0; k < across.count[size_t(x)]; ++k, p += 3)
        r += w[k] * p[0], g += w[k] * p[1], b += w[k] * p[2];
      to[x * 3] = rounded(r), to[x * 3 + 1] = rounded(g), to[x * 3 + 2] = rounded(b);
    }
  }
  std::vector<int32_t> sum(row);
  for (int y = 0; y < height; ++y) {
    std::fill(sum.begin(), sum.end(), 1 << (kBits - 1));
    const int32_t* w = down.weight.data() + size_t(y) * size_t(down.width);
    const uint8_t* in = narrow.data() + size_t(down.first[size_t(y)] - top) * row;
    for (int k = 0; k < down.count[size_t(y)]; ++k, in += row)
      for (size_t i = 0; i < row; ++i) sum[i] += w[k] * in[i];
    for (size_t i = 0; i < row; ++i) out[size_t(y) * row + i] = rounded(sum[i]);
  }
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

}  // namespace autodidact
