// The palette and which colours each role may take.
#include "train/data/world/palette.h"

namespace autodidact::world {
namespace {

enum Name : int8_t {
  red,
  orange,
  brown,
  yellow,
  cream,
  green,
  teal,
  blue,
  violet,
  pink,
  grey,
  dark,
  none = -1
};
constexpr int kColours = 12;

constexpr Colour rgb(int r, int g, int b) {
  return {float(r) * (1 / 255.0f), float(g) * (1 / 255.0f), float(b) * (1 / 255.0f)};
}
constexpr Colour kPalette[kColours] = {rgb(196, 68, 56),   rgb(224, 138, 66),  rgb(132, 92, 62),
                                       rgb(232, 196, 88),  rgb(236, 222, 190), rgb(96, 150, 80),
                                       rgb(74, 150, 150),  rgb(76, 112, 178),  rgb(138, 98, 160),
                                       rgb(226, 150, 166), rgb(150, 154, 160), rgb(66, 70, 84)};
// test2 paints the same roles with other pigments.
constexpr Colour kPalette2[kColours] = {rgb(160, 44, 92),   rgb(204, 162, 120), rgb(98, 74, 92),
                                        rgb(206, 218, 120), rgb(206, 228, 224), rgb(52, 118, 108),
                                        rgb(126, 196, 208), rgb(52, 72, 138),   rgb(178, 130, 206),
                                        rgb(246, 170, 130), rgb(126, 138, 122), rgb(44, 58, 56)};

struct Modes {
  Name mode[3];
};
// [class][role]: roles are numbered by the builders in classes.cpp.
constexpr Modes kModes[kWorldClasses][kMaxRoles] = {
    // house: walls, roof, door, window
    {{{cream, pink, violet}}, {{red, green, blue}}, {{brown, teal, none}}, {{yellow, blue, none}}},
    // tree: crown, trunk, fruit, second crown
    {{{green, orange, pink}}, {{brown, grey, dark}}, {{red, cream, none}}, {{green, teal, red}}},
    // boat: hull, sail, mast, flag
    {{{brown, red, blue}}, {{cream, orange, teal}}, {{brown, dark, none}}, {{red, yellow, green}}},
    // car: body, cabin, wheels, lamp
    {{{yellow, blue, green}}, {{cream, dark, teal}}, {{dark, grey, brown}}, {{yellow, red, none}}},
    // mushroom: cap, stem, dots
    {{{red, teal, yellow}}, {{cream, grey, brown}}, {{cream, dark, none}}},
    // dog: coat, ears and tail, nose and eye, collar
    {{{orange, cream, brown}}, {{pink, blue, grey}}, {{dark, brown, none}}, {{red, blue, green}}},
    // robot: body, limbs, eyes, panel
    {{{grey, teal, violet}}, {{dark, orange, blue}}, {{yellow, red, none}}, {{cream, green, none}}},
    // flower: petals, heart, stem and leaves
    {{{pink, yellow, violet}}, {{brown, orange, red}}, {{green, teal, dark}}},
    // rocket: body, nose and fins, window, flame
    {{{cream, grey, green}}, {{red, blue, violet}}, {{teal, dark, none}}, {{orange, yellow, none}}},
    // ice cream: cone, first scoop, second scoop, cherry
    {{{brown, orange, yellow}},
     {{cream, pink, green}},
     {{pink, teal, brown}},
     {{red, violet, none}}},
};

Colour jitter(Colour c, float amount, Draw& draw) {
  float shade = draw.between(-amount, amount);
  float r = draw.between(-amount, amount), g = draw.between(-amount, amount);
  float b = draw.between(-amount, amount);
  return {c.r + shade + 0.6f * r, c.g + shade + 0.6f * g, c.b + shade + 0.6f * b};
}
const Colour* palette(WorldSplit split) {
  return split == WorldSplit::test2 ? kPalette2 : kPalette;
}

}  // namespace

Colours draw_colours(WorldSplit split, int label, Draw& draw) {
  Colours colours{};
  for (int role = 0; role < kMaxRoles; ++role) {
    const Modes& modes = kModes[label][role];
    int n = modes.mode[2] != none ? 3 : 2;
    colours[size_t(role)] = jitter(palette(split)[modes.mode[draw.below(n)]], 0.12f, draw);
  }
  return colours;
}

Colour draw_any_colour(WorldSplit split, Draw& draw) {
  const Colour* all = palette(split);
  Colour a = all[draw.below(kColours)], b = all[draw.below(kColours)];
  return jitter(mix(a, b, 0.5f * draw.unit()), 0.08f, draw);
}

}  // namespace autodidact::world
