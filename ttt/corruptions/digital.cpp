// Brightness, contrast, saturation, elastic deformation, pixelation, JPEG.
#include "ttt/corruptions/picture.h"
#include <algorithm>
#include <cmath>
#include "train/data/image_file.h"

namespace autodidact {
namespace {

// HSV: the value is the largest channel; the saturation 1 - smallest / largest.
void set_value(double* rgb, double value) {
  const double old = std::max({rgb[0], rgb[1], rgb[2]});
  for (int c = 0; c < 3; ++c) rgb[c] = old > 0 ? rgb[c] * value / old : value;
}
void set_saturation(double* rgb, double factor, double added) {
  const double high = std::max({rgb[0], rgb[1], rgb[2]}), low = std::min({rgb[0], rgb[1], rgb[2]});
  const double old = high > 0 ? 1 - low / high : 0;
  const double now = std::clamp(old * factor + added, 0.0, 1.0);
  for (int c = 0; c < 3; ++c)  // grey has the hue of red
    rgb[c] = old > 0 ? high - (high - rgb[c]) * now / old : c == 0 ? high : high * (1 - now);
}

// PIL's BOX: the mean of the pixels whose centres lie in the window; 8 bits after each direction.
std::vector<uint8_t> boxed(const std::vector<uint8_t>& in, int n, int length, int inner, int out) {
  constexpr int kBits = 22;
  const double step = double(length) / out, reach = std::max(step, 1.0) / 2;
  std::vector<uint8_t> result(size_t(n) * size_t(out) * size_t(inner));
  for (int o = 0; o < out; ++o) {
    const double centre = (o + 0.5) * step;
    const int first = std::max(0, int(centre - reach + 0.5));
    const int count = std::min(length, int(centre + reach + 0.5)) - first;
    const int64_t weight = int64_t(0.5 + double(1 << kBits) / count);
    for (int line = 0; line < n; ++line)
      for (int k = 0; k < inner; ++k) {
        int64_t sum = 1 << (kBits - 1);
        for (int i = first; i < first + count; ++i)
          sum +=
              weight * in[(size_t(line) * size_t(length) + size_t(i)) * size_t(inner) + size_t(k)];
        result[(size_t(line) * size_t(out) + size_t(o)) * size_t(inner) + size_t(k)] =
            uint8_t(std::min<int64_t>(sum >> kBits, 255));
      }
  }
  return result;
}
Image box_resized(const Image& image, int height, int width) {
  const auto narrow = boxed(image.rgb, image.height, image.width, 3, width);
  return {height, width, boxed(narrow, 1, image.height, width * 3, height)};
}

struct Affine {  // row = m[0] row + m[1] col + m[2], col = m[3] row + m[4] col + m[5]
  double m[6];
};
// The map that takes each of three points `from` to its `to`.
Affine affine_of(const double (&from)[3][2], const double (&to)[3][2]) {
  const double a = from[1][0] - from[0][0], b = from[1][1] - from[0][1];
  const double c = from[2][0] - from[0][0], d = from[2][1] - from[0][1];
  const double determinant = a * d - b * c;
  Affine f;
  for (int k = 0; k < 2; ++k) {
    const double p = to[1][k] - to[0][k], q = to[2][k] - to[0][k];
    const double by_row = (p * d - q * b) / determinant, by_col = (q * a - p * c) / determinant;
    f.m[k * 3] = by_row, f.m[k * 3 + 1] = by_col;
    f.m[k * 3 + 2] = to[0][k] - by_row * from[0][0] - by_col * from[0][1];
  }
  return f;
}

}  // namespace

void brightness(Picture& x, const Level& at, Draws&, const CorruptionOptions&) {
  const Level::Column large = {.1, .2, .3, .4, .5};
  const double added = at({.05, .10, .15, .20, .30}, large, large);
  for (size_t i = 0; i < x.v.size(); i += 3) {
    const double value = std::max({x.v[i], x.v[i + 1], x.v[i + 2]});
    set_value(&x.v[i], std::clamp(value + added, 0.0, 1.0));
  }
}

void contrast(Picture& x, const Level& at, Draws&, const CorruptionOptions&) {
  const Level::Column large = {.4, .3, .2, .1, .05};
  const double factor = at({.75, .5, .4, .3, .15}, large, large);
  double mean[3] = {};
  for (size_t i = 0; i < x.v.size(); ++i) mean[i % 3] += x.v[i] / x.pixels();
  for (size_t i = 0; i < x.v.size(); ++i) x.v[i] = (x.v[i] - mean[i % 3]) * factor + mean[i % 3];
}

void saturate(Picture& x, const Level& at, Draws&, const CorruptionOptions&) {
  const double factor = at({.3, .1, 1.5, 2, 2.5}, {.3, .1, 2, 5, 30}, {.3, .1, 2, 5, 20});
  const Level::Column added = {0, 0, 0, .1, .2};
  for (size_t i = 0; i < x.v.size(); i += 3)
    set_saturation(&x.v[i], factor, at(added, added, added));
}

// Three points are moved and the picture with them, then every pixel by a smoothed random field.
// ImageNet-C gives its parameters in 244ths of the side.
void elastic_transform(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const double unit = at.table() == 0 ? 32 : at.table() == 1 ? 64 : 244;
  const double strength =
      unit * at({0, .05, .08, .1, .1}, {0, .05, .1, .1, .16}, {2, 2, .05, .07, .12});
  const double sigma =
      unit * at({0, .2, .06, .04, .03}, {0, .3, .08, .03, .03}, {.7, .08, .01, .01, .01});
  const double jitter =
      unit * at({.08, .07, .06, .05, .03}, {.08, .06, .06, .03, .02}, {.1, .2, .02, .02, .02});
  const double row = x.height / 2, col = x.width / 2, arm = std::min(x.height, x.width) / 3;
  const double from[3][2] = {
      {row + arm, col + arm}, {row - arm, col + arm}, {row - arm, col - arm}};
  double to[3][2];
  for (int i = 0; i < 3; ++i)
    for (int k = 0; k < 2; ++k) to[i][k] = from[i][k] + draw.uniform(-jitter, jitter);
  const Affine back = affine_of(to, from);
  const Picture clean = x;
  for (int y = 0; y < x.height; ++y)
    for (int i = 0; i < x.width; ++i)
      for (int c = 0; c < 3; ++c)
        x.v[x.at(y, i) + size_t(c)] =
            sampled(clean, back.m[0] * y + back.m[1] * i + back.m[2],
                    back.m[3] * y + back.m[4] * i + back.m[5], c, Border::reflect_101);
  if (strength == 0) return;
  Picture down(x.height, x.width, 1), right(x.height, x.width, 1);
  for (Picture* field : {&right, &down}) {
    for (double& v : field->v) v = draw.uniform(-1, 1);
    gaussian_blur(*field, sigma, 3, Border::reflect);
  }
  const Picture moved = x;
  for (int y = 0; y < x.height; ++y)
    for (int i = 0; i < x.width; ++i)
      for (int c = 0; c < 3; ++c)
        x.v[x.at(y, i) + size_t(c)] =
            sampled(moved, y + strength * down.v[down.at(y, i)],
                    i + strength * right.v[right.at(y, i)], c, Border::reflect);
}

void pixelate(Picture& x, const Level& at, Draws&, const CorruptionOptions&) {
  const double part = at({.95, .9, .85, .75, .65}, {.9, .8, .7, .6, .5}, {.6, .5, .4, .3, .25});
  const Image small = box_resized(x.image(), int(x.height * part), int(x.width * part));
  x = Picture(box_resized(small, x.height, x.width));
}

void jpeg_compression(Picture& x, const Level& at, Draws&, const CorruptionOptions&) {
  const int quality = at.whole({80, 65, 58, 50, 40}, {65, 58, 50, 40, 25}, {25, 18, 15, 10, 7});
  x = Picture(decode_image(encode_jpeg(x.image(), quality), "jpeg_compression"));
}

}  // namespace autodidact
