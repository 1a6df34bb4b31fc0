// The public face of the world: configuration checks, labels, and boxes read off the masks.
#include "train/data/world.h"
#include "engine/check.h"
#include "train/data/world/raster.h"

namespace autodidact {
namespace {

void check_config(const WorldConfig& config, int64_t index) {
  check(config.size >= 32 && config.size <= 224, "world: size must be 32 to 224 pixels, got ",
        config.size);
  check(index >= 0, "world: index must be at least 0, got ", index);
}

}  // namespace

const char* world_class_name(int label) {
  static constexpr const char* kNames[kWorldClasses] = {
      "house", "tree", "boat", "car", "mushroom", "dog", "robot", "flower", "rocket", "ice cream"};
  check(label >= 0 && label < kWorldClasses, "world: a label must be 0 to 9, got ", label);
  return kNames[label];
}

int64_t world_split_size(WorldSplit split) {
  switch (split) {
    case WorldSplit::train:
      return 50000;
    case WorldSplit::val:
      return 5000;
    case WorldSplit::test:
      return 10000;
    case WorldSplit::test2:
      return 2000;
  }
  return 0;
}

int world_label(const WorldConfig& config, int64_t index) {
  if (config.view == WorldView::scenes) return -1;
  // A random permutation of the ten classes for each block of ten indices (Fisher and Yates).
  world::Draw draw(world::stream_key(config), index / kWorldClasses, world::Purpose::label);
  int order[kWorldClasses];
  for (int i = 0; i < kWorldClasses; ++i) {
    int j = draw.below(i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  return order[index % kWorldClasses];
}

int render_world_image(uint8_t* image, const WorldConfig& config, int64_t index) {
  check_config(config, index);
  thread_local world::Scene scene;
  world::compose(scene, config, index);
  world::draw_scene(image, nullptr, nullptr, scene, config.size);
  return config.view == WorldView::one ? scene.objects[0].label : -1;
}

WorldSample render_world(const WorldConfig& config, int64_t index) {
  check_config(config, index);
  thread_local world::Scene scene;
  world::compose(scene, config, index);
  WorldSample sample;
  sample.size = config.size;
  size_t pixels = size_t(config.size) * size_t(config.size);
  sample.image.resize(pixels * 3);
  sample.instances.resize(pixels);
  int alone[kWorldMaxObjects] = {};
  world::draw_scene(sample.image.data(), sample.instances.data(), alone, scene, config.size);
  if (config.view == WorldView::one) sample.label = scene.objects[0].label;
  for (int i = 0; i < scene.object_count; ++i) {
    WorldBox box{config.size, config.size, 0, 0};
    int seen = 0;
    for (int y = 0; y < config.size; ++y)
      for (int x = 0; x < config.size; ++x)
        if (sample.instances[size_t(y * config.size + x)] == i + 1) {
          box = {std::min(box.x0, x), std::min(box.y0, y), std::max(box.x1, x + 1),
                 std::max(box.y1, y + 1)};
          ++seen;
        }
    if (seen == 0) box = {0, 0, 0, 0};
    float visible = alone[i] == 0 ? 0.0f : float(seen) / float(alone[i]);
    sample.objects.push_back({scene.objects[size_t(i)].label, box, visible});
  }
  return sample;
}

}  // namespace autodidact
