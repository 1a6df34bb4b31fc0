// Frost: a crop of a texture laid over the picture. The released textures are photographs, which
// are not ours to give: without a folder of the user's, five procedural ones stand in for the first
// five, with their means and deviations a channel and streaks in two directions for the crystals.
#include "ttt/corruptions/picture.h"
#include <algorithm>
#include <cmath>
#include <filesystem>
#include "train/data/image_file.h"
#include "train/data/names.h"

namespace autodidact {
namespace {

struct Texture {
  double mean[3], deviation[3];  // of the photograph, 0 to 255
  double angles[2];              // of the crystals, degrees
};
constexpr Texture kTextures[] = {
    {{77.7, 149.1, 165.7}, {26.9, 16.5, 15.3}, {20, 80}},
    {{200.8, 205.4, 214.5}, {21.4, 22.1, 22.6}, {-35, 40}},
    {{200.8, 205.4, 214.5}, {21.4, 22.1, 22.6}, {55, 115}},
    {{137.6, 152.8, 165.2}, {28.5, 28.5, 29.9}, {5, 65}},
    {{112.4, 123.4, 134.8}, {44.4, 43.3, 41.7}, {-60, 0}},
};
constexpr int kTextureSide = 600;  // pixels of the photographs, about

// Between -1 and 1, smooth over one unit. A third of the square of the weights' mean is its
// variance: 1/3 (26/35)^2 (smoothstep s: the mean of s^2 + (1 - s)^2 is 26/35).
constexpr double kVariance = 26.0 / 35 * 26 / 35 / 3;
double value_noise(uint64_t key, double y, double x) {
  const double top = std::floor(y), left = std::floor(x);
  auto smooth = [](double t) { return t * t * (3 - 2 * t); };
  const double down = smooth(y - top), right = smooth(x - left);
  auto corner = [&](int dy, int dx) {
    const Philox4 r = philox(key, uint64_t(int64_t(top) + dy), uint64_t(int64_t(left) + dx));
    return double(r.v[0]) * 0x1p-31 - 1;
  };
  return (1 - down) * ((1 - right) * corner(0, 0) + right * corner(0, 1)) +
         down * ((1 - right) * corner(1, 0) + right * corner(1, 1));
}

// Mean 0, variance 1: five octaves of streaks, four times as long as wide, in either direction.
double crystals(size_t texture, double y, double x) {
  constexpr int kOctaves = 5;
  double sum = 0, variance = 0, width = 48, weight = 1;
  for (int octave = 0; octave < kOctaves; ++octave, width /= 2, weight *= 0.75) {
    for (size_t k = 0; k < 2; ++k) {
      const double a = kTextures[texture].angles[k] * M_PI / 180;
      const double along = (x * std::cos(a) + y * std::sin(a)) / (4 * width);
      const double across = (y * std::cos(a) - x * std::sin(a)) / width;
      sum += weight * value_noise((texture * 16 + size_t(octave)) * 2 + k, along, across);
    }
    variance += 2 * weight * weight * kVariance;
  }
  return sum / std::sqrt(variance);
}

}  // namespace

std::shared_ptr<const std::vector<Image>> frost_textures(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<std::string> paths;
  for (auto& entry : fs::directory_iterator(folder, error))
    if (has_image_extension(entry.path().string())) paths.push_back(entry.path().string());
  if (error)
    fail(ErrorKind::data, "frost: ", printable(folder), " cannot be read: ", error.message());
  if (paths.empty()) fail(ErrorKind::data, "frost: ", printable(folder), " holds no pictures");
  std::sort(paths.begin(), paths.end());
  auto textures = std::make_shared<std::vector<Image>>();
  for (auto& path : paths) textures->push_back(read_image(path));
  return textures;
}

void frost(Picture& x, const Level& at, Draws& draw, const CorruptionOptions& options) {
  const double keep = at({1, 1, .9, .85, .75}, {1, .9, .8, .75, .7}, {1, .8, .7, .65, .6});
  const double ice = at({.2, .3, .4, .4, .45}, {.3, .4, .45, .5, .55}, {.4, .6, .7, .7, .75});
  const double shrink = at.table() == 0 ? 0.2 : at.table() == 1 ? 0.3 : 1;  // of the texture
  Picture laid(x.height, x.width, 3);
  if (options.frost) {
    const Image& full = (*options.frost)[size_t(draw.below(int(options.frost->size())))];
    // Enlarged where it is smaller than the picture.
    const double factor =
        std::max({shrink, double(x.height + 1) / full.height, double(x.width + 1) / full.width});
    const Image texture =
        factor == 1 ? full : resized(full, int(full.height * factor), int(full.width * factor));
    const int top = draw.below(std::max(1, texture.height - x.height)),
              left = draw.below(std::max(1, texture.width - x.width));
    for (int row = 0; row < x.height; ++row)
      for (int col = 0; col < x.width; ++col)
        for (size_t c = 0; c < 3; ++c)
          laid.v[laid.at(row, col) + c] =
              texture.rgb[(size_t(inside(row + top, texture.height, Border::nearest)) *
                               size_t(texture.width) +
                           size_t(inside(col + left, texture.width, Border::nearest))) *
                              3 +
                          c] /
              255.0;
  } else {
    const size_t k = size_t(draw.below(int(std::size(kTextures))));
    const int room = std::max(1, kTextureSide - int(std::max(x.height, x.width) / shrink));
    const int top = draw.below(room), left = draw.below(room);
    for (int row = 0; row < x.height; ++row)
      for (int col = 0; col < x.width; ++col) {
        const double n = crystals(k, top + row / shrink, left + col / shrink);
        for (size_t c = 0; c < 3; ++c)
          laid.v[laid.at(row, col) + c] =
              std::clamp(kTextures[k].mean[c] + kTextures[k].deviation[c] * n, 0.0, 255.0) / 255;
      }
  }
  for (size_t i = 0; i < x.v.size(); ++i) x.v[i] = keep * x.v[i] + ice * laid.v[i];
}

}  // namespace autodidact
