// Colours. Every role of every class (a roof, a wheel) has two or three modes, drawn from one small
// palette that all classes share: a part's colour is partly knowable and tells little of the class.
#pragma once
#include "train/data/world.h"
#include "train/data/world/draw.h"
#include "train/data/world/geometry.h"

namespace autodidact::world {

struct Colour {
  float r, g, b;  // 0 to 1, as displayed
};
inline Colour mix(Colour a, Colour b, float t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}
inline Colour scale(Colour a, float k) { return {a.r * k, a.g * k, a.b * k}; }
inline float luma(Colour c) { return 0.299f * c.r + 0.587f * c.g + 0.114f * c.b; }

using Colours = std::array<Colour, kMaxRoles>;
Colours draw_colours(WorldSplit split, int label, Draw& draw);
// Any colour of the palette or between: backgrounds and clutter.
Colour draw_any_colour(WorldSplit split, Draw& draw);

}  // namespace autodidact::world
