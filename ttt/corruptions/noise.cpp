// Noise: independent in every value.
#include "ttt/corruptions/picture.h"
#include <algorithm>

namespace autodidact {

void gaussian_noise(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const double sigma =
      at({.04, .06, .08, .09, .10}, {.04, .08, .12, .15, .18}, {.08, .12, .18, .26, .38});
  for (double& v : x.v) v += sigma * draw.normal();
}

void shot_noise(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const double photons = at({500, 250, 100, 75, 50}, {250, 100, 50, 30, 15}, {60, 25, 12, 5, 3});
  for (double& v : x.v) v = draw.poisson(v * photons) / photons;
}

void impulse_noise(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const double part =
      at({.01, .02, .03, .05, .07}, {.01, .02, .05, .08, .14}, {.03, .06, .09, .17, .27});
  for (double& v : x.v) {
    const bool hit = draw.uniform() < part, salt = draw.uniform() < 0.5;
    if (hit) v = salt ? 1 : 0;
  }
}

void speckle_noise(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const double sigma =
      at({.06, .10, .12, .16, .20}, {.15, .20, .25, .30, .35}, {.15, .20, .35, .45, .60});
  for (double& v : x.v) v += v * sigma * draw.normal();
}

}  // namespace autodidact
