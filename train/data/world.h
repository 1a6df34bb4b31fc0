// The built-in world: a procedural data set made on the fly. Every sample is a pure function of
// (seed, split, view, index, size): the same bytes on every CPU class, thread count and compiler.
//
// Ten classes are told apart by the layout of their parts: objects stand upright within 20 degrees,
// while background, clutter, texture and light have no preferred direction and no tie to the class.
// docs/world.md describes the parts, the splits and the gates that the data set must hold.
#pragma once
#include <cstdint>
#include <vector>

namespace autodidact {

constexpr int kWorldClasses = 10;
constexpr int kWorldMaxObjects = 9;
const char* world_class_name(int label);  // "house", "tree", ...

// train and val share the kinds of texture but no texture; test has kinds of its own; test2 has new
// palettes, textures and proportions as well (the part that CIFAR-10.1 plays for CIFAR-10).
enum class WorldSplit : uint8_t { train, val, test, test2 };
// one: one main object, for classification. scenes: 0 to 9 objects that may hide each other.
enum class WorldView : uint8_t { one, scenes };

struct WorldConfig {
  uint64_t seed = 0;
  WorldSplit split = WorldSplit::train;
  WorldView view = WorldView::one;
  int size = 32;  // pixels a side, 32 to 224: the same picture, sampled more finely
};

// How many samples a split is taken to have where a finite data set is wanted; any index >= 0
// works.
int64_t world_split_size(WorldSplit split);

struct WorldBox {
  int x0, y0, x1, y1;  // pixels, half open: x0 <= x < x1
};
struct WorldObject {
  int label;
  WorldBox box;   // of the pixels that are seen; empty (all 0) if none is
  float visible;  // pixels seen / pixels if nothing stood in front
};
struct WorldSample {
  int size = 0;
  std::vector<uint8_t> image;        // [size, size, 3], RGB
  int label = -1;                    // the one object's class; -1 in a scene
  std::vector<WorldObject> objects;  // farthest first: a later one hides an earlier one
  std::vector<uint8_t> instances;    // [size, size]: 0 background, k the object objects[k - 1]
  int count() const { return int(objects.size()); }
};

WorldSample render_world(const WorldConfig& config, int64_t index);

// The image and its label alone, into the caller's memory (image: [size, size, 3]); the same bytes
// as render_world, without the masks' cost. Returns the label (-1 in a scene).
int render_world_image(uint8_t* image, const WorldConfig& config, int64_t index);
// The label without drawing anything. Each block of ten indices holds every class once.
int world_label(const WorldConfig& config, int64_t index);

}  // namespace autodidact
