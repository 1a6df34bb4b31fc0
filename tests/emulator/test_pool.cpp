// Pooling on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/pool.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

// Odd channels and whole packs, windows that overlap, do not meet, or reach into the padding,
// pixels that no window holds, several blocks.
const PoolShape kShapes[] = {{1, 1, 1, 1, 1, 1, 0},  {2, 6, 8, 3, 2, 2, 0}, {2, 7, 9, 16, 3, 2, 1},
                             {1, 5, 5, 5, 3, 1, 1},  {3, 9, 7, 8, 2, 3, 0}, {1, 8, 8, 264, 4, 4, 2},
                             {2, 33, 31, 8, 3, 2, 1}};

int64_t inputs(const PoolShape& s) { return int64_t(s.samples) * s.height * s.width * s.channels; }
int64_t outputs(const PoolShape& s) {
  return int64_t(s.samples) * s.out_height() * s.out_width() * s.channels;
}

}  // namespace

TEST_CASE("pool.cu: maximum, with its positions, as on the CPU") {
  for (const PoolShape& s : kShapes) {
    Values x = random_values(inputs(s), 1), dy = random_values(outputs(s), 2);
    for (size_t i = 0; i < x.size(); i += 3) x[i] = 0.5;  // ties
    for (bool positions : {true, false})
      check_device("maxpool", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        T* y = b.out(outputs(s));
        uint8_t* from = positions ? b.template out_as<uint8_t>(outputs(s)) : nullptr;
        run(queue, MaxPoolForward<T>{y, from, b.in(x), s});
      });
    std::vector<uint8_t> from;
    for (int64_t i = 0; i < outputs(s); ++i)
      from.push_back(uint8_t(philox(5, uint64_t(i), 0).v[0] % unsigned(s.kernel * s.kernel)));
    check_device("maxpool backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, MaxPoolBackward<T>{b.out(inputs(s)), b.in(dy), b.in_exact(from), s});
    });
  }
}

TEST_CASE("pool.cu: the first NaN wins") {
  std::vector<float> x(16 * 4, 1.0f), y(4 * 4);
  std::vector<uint8_t> from(4 * 4), expected(4 * 4, 0);
  x[5 * 4 + 2] = std::nanf(""), expected[2] = 3;
  x[4 * 4 + 2] = 9;  // before it, and larger
  x[1 * 4 + 1] = x[4 * 4 + 1] = std::nanf(""), expected[1] = 1;
  run(device_queue(),
      MaxPoolForward<float>{y.data(), from.data(), x.data(), {1, 4, 4, 4, 2, 2, 0}});
  CHECK(std::isnan(y[2]));
  CHECK(from == expected);
}

TEST_CASE("pool.cu: averages as on the CPU") {
  for (const PoolShape& s : kShapes) {
    Values x = random_values(inputs(s), 1), dy = random_values(outputs(s), 2);
    check_device("avgpool", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, AvgPoolForward<T>{b.out(outputs(s)), b.in(x), s});
    });
    check_device("avgpool backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, AvgPoolBackward<T>{b.out(inputs(s)), b.in(dy), s});
    });
    int pixels = s.height * s.width;
    Values mean_dy = random_values(int64_t(s.samples) * s.channels, 3);
    check_device("global avgpool", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, GlobalAvgPoolForward<T>{b.out(int64_t(s.samples) * s.channels), b.in(x), s.samples,
                                         pixels, s.channels});
    });
    check_device("global avgpool backward",
                 [&]<template <class> class B, class T>(auto queue, B<T>& b) {
                   run(queue, GlobalAvgPoolBackward<T>{b.out(inputs(s)), b.in(mean_dy), s.samples,
                                                       pixels, s.channels});
                 });
  }
}
