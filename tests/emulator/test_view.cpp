// Views on emulated CUDA against the CPU: the same draws, so the same pictures.
#include "device_check.h"
#include "kernels/view.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int views, height, width, size;
  bool cubic, colours;
  float blur;
  int window;
};
const Case kCases[] = {{5, 9, 9, 9, false, false, 0, 1},    // crops and flips alone
                       {9, 8, 8, 8, false, true, 0, 1},     // packs
                       {9, 12, 10, 7, false, true, 1, 5},   // shrunk
                       {6, 8, 8, 16, true, true, 0.5f, 9},  // enlarged, by the cubic
                       {2, 40, 33, 5, true, false, 1, 9},   // a blur as wide as can be
                       {1, 1, 1, 1, false, true, 1, 1},    {0, 8, 8, 8, false, true, 0, 1}};

}  // namespace

TEST_CASE("view.cu: crop, flip, colours, blur and normalisation as on the CPU") {
  constexpr int kImages = 3;
  for (const Case& k : kCases) {
    CAPTURE(k.height);
    std::vector<uint8_t> images(size_t(kImages) * k.height * k.width * 3);
    for (size_t i = 0; i < images.size(); ++i) images[i] = uint8_t(philox(9, i, 0).v[0]);
    ViewRanges r;
    r.blur = k.blur;
    if (k.colours) {
      r.brightness = r.contrast = r.saturation = 0.4f;
      r.hue = 0.1f, r.grey = 0.3f, r.solarize = 0.4f;
    }
    std::vector<ViewDraw> draws;
    for (int v = 0; v < k.views; ++v) {
      draws.push_back(draw_view({7, 1, 2, uint64_t(v), 0}, r, k.height, k.width));
      draws.back().image = v % kImages;
    }
    check_device("views", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* y = b.out(int64_t(k.views) * k.size * k.size * 3);
      run(queue, RenderViews<T>{.y = y,
                                .images = b.in_exact(images),
                                .draws = b.in_exact(draws),
                                .views = k.views,
                                .height = k.height,
                                .width = k.width,
                                .size = k.size,
                                .cubic = k.cubic,
                                .blur_window = k.window,
                                .mean = {0.4f, 0.5f, 0.6f},
                                .std = {0.2f, 0.25f, 0.3f}});
    });
  }
}

TEST_CASE("view.cu: fewer blocks than views where the workspace is small, and none without one") {
  constexpr int kViews = 7, kSide = 8;
  std::vector<uint8_t> images(kSide * kSide * 3, 100);
  for (size_t i = 0; i < images.size(); ++i) images[i] = uint8_t(i);
  std::vector<ViewDraw> draws;
  for (int v = 0; v < kViews; ++v)
    draws.push_back(draw_view({7, 1, 2, uint64_t(v), 0}, {}, kSide, kSide));
  auto rendered = [&](Cuda queue) {
    std::vector<float> y(size_t(kViews) * kSide * kSide * 3);
    run(queue, RenderViews<float>{.y = y.data(),
                                  .images = images.data(),
                                  .draws = draws.data(),
                                  .views = kViews,
                                  .height = kSide,
                                  .width = kSide,
                                  .size = kSide,
                                  .cubic = false,
                                  .blur_window = 1,
                                  .mean = {0, 0, 0},
                                  .std = {1, 1, 1}});
    return y;
  };
  alignas(256) static unsigned char memory[8 << 10];  // for three blocks
  Workspace small{memory, sizeof memory};
  CHECK(rendered({nullptr, &small}) == rendered(device_queue()));
  CHECK(small.high_water <= sizeof memory);
  CHECK_THROWS_WITH_AS(rendered({}), doctest::Contains("a kernel needs"), LaunchFailure);
}
