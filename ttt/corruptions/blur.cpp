// Blurs: out of focus, through glass, by motion, by zooming.
#include "ttt/corruptions/picture.h"
#include <algorithm>
#include <cmath>

namespace autodidact {
namespace {

struct Tap {
  int dy, dx;
  double weight;
};

// A disk, softened by a Gaussian of 3 x 3 pixels (5 x 5 above radius 8). Below radius 1 it is one
// pixel before that.
std::vector<Tap> soft_disk(double radius, double alias) {
  const int reach = radius <= 8 ? 8 : int(radius), soft = radius <= 8 ? 1 : 2, n = 2 * reach + 1;
  Picture disk(n, n, 1);
  double sum = 0;
  for (int y = -reach; y <= reach; ++y)
    for (int x = -reach; x <= reach; ++x)
      if (x * x + y * y <= radius * radius) sum += disk.v[disk.at(y + reach, x + reach)] = 1;
  std::vector<double> weight(size_t(soft) + 1);
  double norm = 0;
  for (int i = 0; i <= soft; ++i)
    norm += (i ? 2 : 1) * (weight[size_t(i)] = std::exp(-i * i / (2 * alias * alias)));
  std::vector<Tap> taps;
  for (int y = 0; y < n; ++y)
    for (int x = 0; x < n; ++x) {
      double total = 0;
      for (int dy = -soft; dy <= soft; ++dy)
        for (int dx = -soft; dx <= soft; ++dx)
          total += weight[size_t(std::abs(dy))] * weight[size_t(std::abs(dx))] *
                   disk.v[disk.at(inside(y + dy, n, Border::reflect_101),
                                  inside(x + dx, n, Border::reflect_101))];
      if (total > 0) taps.push_back({y - reach, x - reach, total / (sum * norm * norm)});
    }
  return taps;
}

}  // namespace

void defocus_blur(Picture& x, const Level& at, Draws&, const CorruptionOptions&) {
  const double radius = at({.3, .4, .5, 1, 1.5}, {.5, 1, 1.5, 2.5, 3}, {3, 4, 6, 8, 10});
  const double alias = at({.4, .5, .6, .2, .1}, {.6, .1, .1, .01, .1}, {.1, .5, .5, .5, .5});
  const auto taps = soft_disk(radius, alias);
  const Picture clean = x;
  for (int row = 0; row < x.height; ++row)
    for (int col = 0; col < x.width; ++col) {
      double sum[3] = {};
      for (const Tap& t : taps) {
        const double* from = &clean.v[clean.at(inside(row + t.dy, x.height, Border::reflect_101),
                                               inside(col + t.dx, x.width, Border::reflect_101))];
        for (int c = 0; c < 3; ++c) sum[c] += t.weight * from[c];
      }
      std::copy_n(sum, 3, &x.v[x.at(row, col)]);
    }
}

void gaussian_blur_of(Picture& x, const Level& at, Draws&, const CorruptionOptions&) {
  gaussian_blur(x, at({.4, .6, .7, .8, 1}, {.5, .75, 1, 1.25, 1.5}, {1, 2, 3, 4, 6}));
}

// Pixels are taken from a neighbour up to `reach` above and to the left, one pixel less below and
// to the right: the released code's exchange copies (its two views are of one array).
void glass_blur(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const double sigma = at({.05, .25, .4, .25, .4}, {.1, .5, .6, .7, .9}, {.7, .9, 1, 1.1, 1.5});
  const int reach = at.whole({1, 1, 1, 1, 1}, {1, 1, 1, 2, 2}, {1, 2, 2, 3, 4});
  const int rounds = at.whole({1, 1, 1, 2, 2}, {1, 1, 2, 1, 2}, {2, 1, 3, 2, 2});
  gaussian_blur(x, sigma);
  x = Picture(x.image());
  for (int i = 0; i < rounds; ++i)
    for (int row = x.height - reach; row > reach; --row)
      for (int col = x.width - reach; col > reach; --col) {
        const int dx = draw.below(2 * reach) - reach, dy = draw.below(2 * reach) - reach;
        std::copy_n(&x.v[x.at(row + dy, col + dx)], 3, &x.v[x.at(row, col)]);
      }
  gaussian_blur(x, sigma);
}

// ImageMagick keeps 8 bits, rounded.
void motion_blur(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const double radius = at({6, 6, 6, 8, 9}, {10, 10, 10, 10, 12}, {10, 15, 15, 15, 20});
  const double sigma = at({1, 1.5, 2, 2, 2.5}, {1, 1.5, 2, 2.5, 3}, {3, 5, 8, 12, 15});
  x = motion_blurred(x, radius, sigma, draw.uniform(-45, 45));
  for (double& v : x.v) v = double(std::lround(v * 255)) / 255;
}

// How many factors the released numpy.arange gives is an accident of rounding, kept here.
void zoom_blur(Picture& x, const Level& at, Draws&, const CorruptionOptions&) {
  const Level::Column small = {7, 12, 16, 21, 26}, steps = {.01, .01, .01, .01, .01};
  const int factors = at.whole(small, small, {12, 16, 11, 13, 11});
  const double step = at(steps, steps, {.01, .01, .02, .02, .03});
  Picture sum = x;
  for (int i = 0; i < factors; ++i) {
    const Picture layer = centre_zoom(x, 1 + i * step);
    for (size_t k = 0; k < sum.v.size(); ++k) sum.v[k] += layer.v[k];
  }
  for (double& v : sum.v) v /= factors + 1;
  x = std::move(sum);
}

}  // namespace autodidact
