// Textures: patterns of two values, told by a kind and a few shape parameters. Each split has a
// bank of textures of its own, fixed for all seeds, so that no texture of one split is ever seen in
// another.
#pragma once
#include "train/data/world.h"
#include "train/data/world/draw.h"
#include "train/data/world/geometry.h"

namespace autodidact::world {

enum class Weft : uint8_t {
  fleck,
  stripes,
  dots,
  checks,
  weave,
  clouds,
  zigzag,
  cells,
  rings,
  bricks
};

struct Texture {  // one of a split's bank
  Weft weft;
  float a, b, gain;  // shape parameters; gain: hardness of the pattern's edges
  uint32_t salt;     // of its noise
};
constexpr int kBankSize = 40;
const Texture& bank_texture(WorldSplit split, int i);

struct Laid {  // a texture as it lies in one picture
  Texture texture;
  float frequency, x, y;  // periods per unit length, shift
  Direction frame;
};
Laid lay_texture(WorldSplit split, Draw& draw, float frequency_low, float frequency_high);
// values[i] in [-1, 1] at (x0 + i dx, y0 + i dy), i < n; unit length is the picture's side.
void weave_row(float* values, const Laid& laid, float x0, float y0, float dx, float dy, int n);

}  // namespace autodidact::world
