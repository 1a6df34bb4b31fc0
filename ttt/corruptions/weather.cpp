// Snow and fog.
#include "ttt/corruptions/picture.h"
#include <algorithm>
#include <cmath>

namespace autodidact {
namespace {

void to_8_bits(Picture& x, double rounding) {
  for (double& v : x.v) v = std::floor(std::clamp(v, 0.0, 1.0) * 255 + rounding) / 255;
}

// A fractal height map by diamonds and squares on a torus of 2^k points a side, from 0 to 1.
// Each level adds wibble times a number of [-wibble, wibble], and divides wibble.
Picture plasma(int side, double decay, Draws& draw) {
  Picture map(side, side, 1);
  double wibble = 100;
  auto at = [&](int y, int x) -> double& {
    return map.v[map.at((y + side) % side, (x + side) % side)];
  };
  auto mean_of = [&](double sum) { return sum / 4 + wibble * draw.uniform(-wibble, wibble); };
  for (int step = side; step >= 2; step /= 2, wibble /= decay) {
    const int half = step / 2;
    for (int y = half; y < side; y += step)
      for (int x = half; x < side; x += step)
        at(y, x) = mean_of(at(y - half, x - half) + at(y - half, x + half) +
                           at(y + half, x - half) + at(y + half, x + half));
    auto diamond = [&](int y, int x) {
      at(y, x) = mean_of(at(y - half, x) + at(y + half, x) + at(y, x - half) + at(y, x + half));
    };
    for (int y = 0; y < side; y += step)
      for (int x = 0; x < side; x += step) diamond(y, x + half), diamond(y + half, x);
  }
  const auto [low, high] = std::minmax_element(map.v.begin(), map.v.end());
  const double least = *low, range = *high - *low;
  for (double& v : map.v) v = (v - least) / range;
  return map;
}

}  // namespace

void snow(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const Level::Column mean = {.1, .1, .15, .25, .3}, deviation = {.2, .2, .3, .3, .3},
                      zoom = {1, 1, 1.75, 2.25, 1.25}, least = {.6, .5, .55, .6, .65},
                      radius = {8, 10, 10, 12, 14}, sigma = {3, 4, 4, 6, 12};
  const double m = at(mean, mean, {.1, .2, .55, .55, .55});
  const double d = at(deviation, deviation, {.3, .3, .3, .3, .3});
  const double threshold = at(least, least, {.5, .5, .9, .85, .85});
  const double keep = at({.95, .9, .9, .85, .8}, {.8, .8, .7, .65, .6}, {.8, .7, .7, .65, .55});
  Picture flakes(x.height, x.width, 1);
  for (double& v : flakes.v) v = m + d * draw.normal();
  flakes = centre_zoom(flakes, at(zoom, zoom, {3, 2, 4, 4.5, 2.5}));
  for (double& v : flakes.v)
    if (v < threshold) v = 0;
  to_8_bits(flakes, 0);
  flakes = motion_blurred(flakes, at(radius, radius, {10, 12, 12, 12, 12}),
                          at(sigma, sigma, {4, 4, 8, 8, 12}), draw.uniform(-135, -45));
  to_8_bits(flakes, 0.5);
  for (int p = 0; p < x.pixels(); ++p) {
    double* rgb = &x.v[size_t(p) * 3];
    const double grey = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    const double fallen = flakes.v[size_t(p)] + flakes.v[size_t(x.pixels() - 1 - p)];
    for (int c = 0; c < 3; ++c)
      rgb[c] = keep * rgb[c] + (1 - keep) * std::max(rgb[c], grey * 1.5 + 0.5) + fallen;
  }
}

void fog(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const double density = at({.2, .5, .75, 1, 1.5}, {.4, .7, 1, 1.5, 2}, {1.5, 2, 2.5, 2.5, 3});
  const double decay = at({3, 3, 2.5, 2, 1.75}, {3, 3, 2.5, 2, 1.75}, {2, 2, 1.7, 1.5, 1.4});
  int side = 1;
  while (side < std::max(x.height, x.width)) side *= 2;
  const Picture map = plasma(side, decay, draw);
  const double brightest = *std::max_element(x.v.begin(), x.v.end());
  for (int row = 0; row < x.height; ++row)
    for (int col = 0; col < x.width; ++col)
      for (size_t c = 0; c < 3; ++c) {
        double& v = x.v[x.at(row, col) + c];
        v = (v + density * map.v[map.at(row, col)]) * brightest / (brightest + density);
      }
}

}  // namespace autodidact
