// Composition: draws poses, builds, colours, background, clutter and light for one index.
#include "train/data/world/scene.h"
#include "train/data/world/classes.h"

namespace autodidact::world {
namespace {

Light draw_light(Draw draw) {
  Light light;
  light.from = turn(draw.unit());
  light.shade = draw.between(0.08f, 0.2f);
  light.shadow = draw.between(0.1f, 0.3f);
  light.outline = draw.sign() * draw.between(0.1f, 0.5f);
  float level = draw.between(0.74f, 1.15f);
  light.tint = {level * draw.between(0.78f, 1.18f), level * draw.between(0.84f, 1.14f),
                level * draw.between(0.78f, 1.18f)};
  return light;
}

Background draw_background(WorldSplit split, Draw draw) {
  Colour a = draw_any_colour(split, draw), b = draw_any_colour(split, draw);
  float contrast = draw.between(0.1f, 0.5f);
  return {a, mix(a, b, contrast), lay_texture(split, draw, 2.0f, 7.0f)};
}

void dress(Thing& thing, WorldSplit split, Draw& draw) {
  thing.texture = lay_texture(split, draw, 3.0f, 9.0f);
  thing.texture_strength = draw.between(0.05f, 0.18f);
}

void make_object(Thing& object, const WorldConfig& config, int64_t index, int label,
                 uint32_t which) {
  uint64_t key = stream_key(config);
  Proportion proportion(Draw(key, index, Purpose::build, which), config.split == WorldSplit::test2);
  object.label = label;
  object.parts = build(label, proportion);
  Draw colour(key, index, Purpose::colour, which);
  object.colours = draw_colours(config.split, label, colour);
  dress(object, config.split, colour);
}

void make_clutter(Scene& scene, const WorldConfig& config, int64_t index, int most) {
  Draw draw(stream_key(config), index, Purpose::clutter);
  scene.clutter_count = draw.below(most + 1);
  for (int i = 0; i < scene.clutter_count; ++i) {
    Thing& thing = scene.clutter[size_t(i)];
    thing.label = -1;
    thing.pose = {draw.unit(), draw.unit(), draw.between(0.05f, 0.13f), turn(draw.unit()), 1};
    thing.parts.count = 1;
    thing.parts.part[0] = stray_part(draw);
    thing.colours[0] = draw_any_colour(config.split, draw);
    dress(thing, config.split, draw);
  }
}

constexpr float kTilt = 16.0f / 360;  // turns; "upright within 20 degrees"

void place_one(Scene& scene, const WorldConfig& config, int64_t index) {
  Draw draw(stream_key(config), index, Purpose::pose);
  scene.object_count = 1;
  Thing& object = scene.objects[0];
  make_object(object, config, index, world_label(config, index), 0);
  float scale = draw.between(0.27f, 0.39f), room = 0.5f - 0.78f * scale * object.parts.reach;
  object.pose = {0.5f + draw.between(-room, room), 0.5f + draw.between(-room, room), scale,
                 turn(draw.between(-kTilt, kTilt)), draw.sign()};
}

void place_many(Scene& scene, const WorldConfig& config, int64_t index) {
  Draw draw(stream_key(config), index, Purpose::pose);
  scene.object_count = Draw(stream_key(config), index, Purpose::count).below(kWorldMaxObjects + 1);
  // The more objects, the smaller they are; two may overlap, but no centre is ever covered.
  float crowd = 1 / (1 + 0.12f * float(scene.object_count));
  for (int i = 0; i < scene.object_count; ++i) {
    Thing& object = scene.objects[size_t(i)];
    make_object(object, config, index, draw.below(kWorldClasses), uint32_t(i));
    Pose best{};
    float best_gap = -1;
    for (int attempt = 0; attempt < 12; ++attempt) {
      float scale = crowd * draw.between(0.2f, 0.32f),
            room = 0.5f - 0.78f * scale * object.parts.reach;
      Pose pose{
          0.5f + draw.between(-room, room), 0.5f + draw.between(-room, room), scale, {1, 0}, 1};
      float gap = 8;  // distance between centres in units of the two sizes' sum; the least of them
      for (int j = 0; j < i; ++j) {
        const Pose& other = scene.objects[size_t(j)].pose;
        float dx = pose.x - other.x, dy = pose.y - other.y;
        gap = std::min(gap, std::sqrt(dx * dx + dy * dy) / (pose.scale + other.scale));
      }
      if (gap > best_gap) best = pose, best_gap = gap;
      if (gap > 0.72f) break;
    }
    best.frame = turn(draw.between(-kTilt, kTilt));
    best.mirror = draw.sign();
    object.pose = best;
  }
}

}  // namespace

uint64_t stream_key(const WorldConfig& config) {
  return config.seed * 8 + uint64_t(config.split) * 2 + uint64_t(config.view);
}

void compose(Scene& scene, const WorldConfig& config, int64_t index) {
  uint64_t key = stream_key(config);
  scene.light = draw_light(Draw(key, index, Purpose::light));
  scene.background = draw_background(config.split, Draw(key, index, Purpose::background));
  make_clutter(scene, config, index, 3);
  if (config.view == WorldView::one) place_one(scene, config, index);
  else place_many(scene, config, index);
}

}  // namespace autodidact::world
