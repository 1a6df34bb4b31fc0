// From a scene to pixels, with anti-aliased edges.
#pragma once
#include "train/data/world/scene.h"

namespace autodidact::world {

// image: [size, size, 3]. instances: [size, size], the object (from 1) that a pixel shows, 0 for
// the background; alone: [object_count], the pixels each object would show if nothing stood in
// front. Both or neither of instances and alone may be null.
void draw_scene(uint8_t* image, uint8_t* instances, int* alone, const Scene& scene, int size);

}  // namespace autodidact::world
