// A scene: everything that decides a picture, before any pixel. Positions are in units of the
// picture's side, (0, 0) its top left corner, so that a scene has no size; a scene that moves is a
// sequence of these with other poses.
#pragma once
#include "train/data/world/palette.h"
#include "train/data/world/texture.h"

namespace autodidact::world {

struct Pose {
  float x, y, scale;  // centre; length of the object's unit
  Direction frame;
  float mirror;  // +1 or -1: left and right exchanged
};
struct Thing {  // an object or a piece of clutter
  int label;
  Pose pose;
  Parts parts;
  Colours colours;
  Laid texture;
  float texture_strength;
};
struct Light {
  Direction from;  // towards the light, any direction
  float shade;     // strength of the gentle shading across a part
  float shadow;    // darkness of the shadow on what lies behind
  float outline;   // darkness of a part's edge
  Colour tint;     // multiplies everything
};
struct Background {
  Colour low, high;  // the texture runs from low to high
  Laid texture;
};

constexpr int kMaxClutter = 6;
struct Scene {
  Light light;
  Background background;
  int clutter_count = 0, object_count = 0;
  std::array<Thing, kMaxClutter> clutter;       // behind all objects, farthest first
  std::array<Thing, kWorldMaxObjects> objects;  // farthest first
};

uint64_t stream_key(const WorldConfig& config);
void compose(Scene& scene, const WorldConfig& config, int64_t index);

}  // namespace autodidact::world
