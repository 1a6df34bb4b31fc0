// What the families of corruptions share: a picture as numbers, its random draws, the parameters of
// a severity, blurs. Read corruption.cpp first.
#pragma once
#include <array>
#include <cstdint>
#include <vector>
#include "engine/random.h"
#include "train/data/image.h"
#include "ttt/corruptions/corruption.h"

namespace autodidact {

struct Picture {
  int height = 0, width = 0, channels = 3;
  std::vector<double> v;  // [height, width, channels], values in [0, 1]

  Picture() = default;
  Picture(int h, int w, int c, double value = 0)
      : height(h), width(w), channels(c), v(size_t(h) * size_t(w) * size_t(c), value) {}
  explicit Picture(const Image& image);
  Image image() const;  // clipped, times 255, cut off: as numpy.uint8 does
  size_t at(int y, int x) const {
    return (size_t(y) * size_t(width) + size_t(x)) * size_t(channels);
  }
  int pixels() const { return height * width; }
};

// The random numbers of one corruption of one sample.
class Draws {
 public:
  Draws(uint64_t seed, size_t corruption, int64_t sample)
      : seed_(seed), high_((uint64_t(sample) << 8) | corruption) {}
  uint32_t bits();
  double uniform() { return double(bits()) * 0x1p-32; }  // [0, 1)
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  int below(int n) { return int(autodidact::below(bits(), uint32_t(n))); }
  double normal();
  double poisson(double mean);

 private:
  uint64_t seed_, high_;
  uint32_t counter_ = 0;
  Philox4 block_{};
  int left_ = 0;
};

// The parameters of a severity: the table of the picture's size, between two columns interpolated.
class Level {
 public:
  using Column = std::array<double, 5>;
  Level(double severity, int shorter_side);
  double operator()(const Column& cifar, const Column& tiny, const Column& imagenet) const;
  int whole(const Column& cifar, const Column& tiny, const Column& imagenet) const;  // rounded
  bool is_imagenet() const { return table_ == 2; }
  int table() const { return table_; }  // 0: CIFAR-10-C, 1: Tiny-ImageNet-C, 2: ImageNet-C

 private:
  double severity_;
  int table_;
};

// What lies outside: the border's value; d c b a | a b c d; d c b | a b c d.
enum class Border { nearest, reflect, reflect_101 };
int inside(int i, int n, Border border);

// SciPy's gaussian_filter: weights up to truncate sigma away. sigma below 1 / (2 truncate):
// nothing.
void gaussian_blur(Picture& x, double sigma, double truncate = 4, Border border = Border::nearest);
// The centre enlarged by `zoom`, bilinear between the outermost pixels (SciPy's zoom), to the same
// size.
Picture centre_zoom(const Picture& x, double zoom);
// ImageMagick's: a one-sided Gaussian of 2 radius + 1 taps along a line, at whole pixels; degrees.
Picture motion_blurred(const Picture& x, double radius, double sigma, double angle);
// Bilinear.
double sampled(const Picture& x, double row, double col, int channel, Border border);

// ---- the families: x becomes what the corruption makes of it
using Corrupt = void(Picture& x, const Level& level, Draws& draw, const CorruptionOptions& options);
Corrupt gaussian_noise, shot_noise, impulse_noise, speckle_noise;            // noise.cpp
Corrupt defocus_blur, glass_blur, motion_blur, zoom_blur, gaussian_blur_of;  // blur.cpp
Corrupt snow, fog;                                                           // weather.cpp
Corrupt frost;                                                               // frost.cpp
Corrupt spatter;                                                             // spatter.cpp
Corrupt brightness, contrast, saturate, elastic_transform, pixelate,
    jpeg_compression;  // digital.cpp

}  // namespace autodidact
