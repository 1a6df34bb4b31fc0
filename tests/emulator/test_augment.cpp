// Augmentation on emulated CUDA against the CPU: the same draws, so the same pixels.
#include "device_check.h"
#include "kernels/augment.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int samples, height, width, channels, pad, size;
  bool crop, flip;
  Rotation rotation;
};
const Case kCases[] = {
    {3, 8, 8, 3, 0, 8, false, false, Rotation::none},
    {9, 8, 8, 3, 2, 8, true, true, Rotation::random},
    {4, 9, 7, 1, 3, 6, true, true, Rotation::all},
    {1, 1, 1, 4, 0, 1, true, true, Rotation::random},
    {3, 19, 19, 3, 4, 19, true, true, Rotation::all},
    {2, 11, 13, 3, 0, 8, false, true, Rotation::none},
    {2, 32, 32, 3, 4, 32, true, true, Rotation::random},  // several packs a thread
    {0, 8, 8, 3, 0, 8, false, false, Rotation::all}};

}  // namespace

TEST_CASE("augment.cu: crop, flip, quarter turns and normalisation as on the CPU") {
  for (const Case& k : kCases) {
    int64_t outputs = k.samples * (k.rotation == Rotation::all ? 4 : 1);
    std::vector<uint8_t> images(size_t(k.samples) * k.height * k.width * k.channels);
    for (size_t i = 0; i < images.size(); ++i) images[i] = uint8_t(philox(9, i, 0).v[0]);
    std::vector<int64_t> indices;
    for (int i = 0; i < k.samples; ++i) indices.push_back(1000 + 7 * i);
    for (bool turns_wanted : {true, false})
      check_device("augment", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        T* y = b.out(outputs * k.size * k.size * k.channels);
        int32_t* turns = turns_wanted ? b.template out_as<int32_t>(outputs) : nullptr;
        run(queue, Augment<T>{y,
                              turns,
                              b.in_exact(images),
                              b.in_exact(indices),
                              k.samples,
                              k.height,
                              k.width,
                              k.channels,
                              k.pad,
                              k.size,
                              {0.4f, 0.5f, 0.6f, 0.7f},
                              {0.2f, 0.25f, 0.3f, 0.35f},
                              k.crop,
                              k.flip,
                              k.rotation,
                              77,
                              3,
                              2});
      });
  }
}

TEST_CASE("augment.cu: pictures mixed as on the CPU") {
  struct Mixing {
    int samples, size, channels, top, bottom, left, right;
    float keep;
  };
  for (const Mixing& k : {Mixing{0, 4, 3, 0, 4, 0, 4, 0.5f},
                          {1, 4, 3, 0, 4, 0, 4, 0.5f},
                          {2, 8, 3, 0, 8, 0, 8, 0.3f},
                          {5, 7, 3, 2, 6, 0, 4, 0.0f},
                          {4, 32, 3, 5, 31, 9, 32, 0.0f},
                          {3, 19, 1, 0, 19, 0, 19, 0.7f}}) {
    const Values x = random_values(int64_t(k.samples) * k.size * k.size * k.channels, 1);
    check_device("mix pictures", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* pictures = b.update(x);
      run(queue, MixPictures<T>{pictures, k.samples, k.size, k.channels, k.top, k.bottom, k.left,
                                k.right, k.keep});
    });
  }
}
