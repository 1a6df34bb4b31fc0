// Augmentation against the steps done one after the other on whole images: pad, crop, flip, rotate,
// normalise; and the draws' dependence on nothing but (seed, stream, epoch, sample).
#include "kernels/augment.h"
#include <map>
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Image {  // [rows, cols, channels]
  int rows, cols, channels;
  std::vector<int> v;
  int& at(int r, int c, int k) { return v[size_t((r * cols + c) * channels + k)]; }
};

Image blank(int rows, int cols, int channels) {
  return {rows, cols, channels, std::vector<int>(size_t(rows * cols * channels))};
}

Image padded(Image x, int pad) {
  Image y = blank(x.rows + 2 * pad, x.cols + 2 * pad, x.channels);
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < x.cols; ++c)
      for (int k = 0; k < x.channels; ++k) y.at(r + pad, c + pad, k) = x.at(r, c, k);
  return y;
}
Image cropped(Image x, int top, int left, int size) {
  Image y = blank(size, size, x.channels);
  for (int r = 0; r < size; ++r)
    for (int c = 0; c < size; ++c)
      for (int k = 0; k < x.channels; ++k) y.at(r, c, k) = x.at(r + top, c + left, k);
  return y;
}
Image flipped(Image x) {
  Image y = x;
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < x.cols; ++c)
      for (int k = 0; k < x.channels; ++k) y.at(r, c, k) = x.at(r, x.cols - 1 - c, k);
  return y;
}
// A quarter turn counter-clockwise: the top right corner comes to the top left.
Image turned(Image x) {
  Image y = x;
  for (int r = 0; r < x.rows; ++r)
    for (int c = 0; c < x.cols; ++c)
      for (int k = 0; k < x.channels; ++k) y.at(r, c, k) = x.at(c, x.cols - 1 - r, k);
  return y;
}

struct Case {
  int samples, height, width, channels, pad, size;
  bool crop, flip;
  Rotation rotation;
};
const Case kCases[] = {{3, 8, 8, 3, 0, 8, false, false, Rotation::none},
                       {5, 8, 8, 3, 2, 8, true, true, Rotation::random},
                       {4, 9, 7, 1, 3, 6, true, true, Rotation::all},
                       {1, 1, 1, 4, 0, 1, true, true, Rotation::random},
                       {33, 32, 32, 3, 4, 32, true, true, Rotation::random},
                       {2, 11, 13, 3, 0, 8, false, true, Rotation::none}};

std::vector<uint8_t> random_bytes(int64_t n) {
  std::vector<uint8_t> v(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) v[size_t(i)] = uint8_t(philox(9, uint64_t(i), 0).v[0]);
  return v;
}

}  // namespace

TEST_CASE("augment: every class, and the steps one after the other") {
  for (const Case& k : kCases) {
    int copies = k.rotation == Rotation::all ? 4 : 1;
    int64_t outputs = int64_t(k.samples) * copies, pixels = int64_t(k.size) * k.size * k.channels;
    std::vector<uint8_t> images =
        random_bytes(int64_t(k.samples) * k.height * k.width * k.channels);
    std::vector<int64_t> indices;
    for (int i = 0; i < k.samples; ++i) indices.push_back(1000 + 7 * i);
    auto launch = [&]<class T>(Buffers<T>& b) {
      Augment<T> p{b.out(outputs * pixels),
                   b.template out_as<int32_t>(outputs),
                   b.in_exact(images),
                   b.in_exact(indices),
                   k.samples,
                   k.height,
                   k.width,
                   k.channels,
                   k.pad,
                   k.size,
                   {0.49f, 0.48f, 0.45f, 0.5f},
                   {0.25f, 0.24f, 0.26f, 0.5f},
                   k.crop,
                   k.flip,
                   k.rotation,
                   5,
                   2,
                   3};
      run(Cpu{}, p);
      return p;
    };
    check_kernel("augment", [&]<class T>(Buffers<T>& b) { launch(b); });
    Buffers<float> b(false);
    Augment<float> p = launch(b);
    bool same = true, labels = true;
    for (int n = 0; n < k.samples; ++n) {
      AugmentDraw d = draw_augmentation(5, 2, 3, uint64_t(indices[size_t(n)]),
                                        k.height + 2 * k.pad - k.size, k.width + 2 * k.pad - k.size,
                                        k.crop, k.flip, k.rotation == Rotation::random);
      Image x = blank(k.height, k.width, k.channels);
      for (size_t i = 0; i < x.v.size(); ++i) x.v[i] = images[size_t(n) * x.v.size() + i];
      x = cropped(padded(x, k.pad), d.top, d.left, k.size);
      if (d.flip) x = flipped(x);
      for (int t = 0; t < d.turns; ++t) x = turned(x);
      for (int copy = 0; copy < copies; ++copy, x = turned(x)) {
        int64_t output = int64_t(n) * copies + copy;
        labels &= p.turns[output] == (copies == 4 ? copy : d.turns);
        for (size_t i = 0; i < x.v.size(); ++i) {
          size_t c = i % size_t(k.channels);
          float v = (float(x.v[i]) / 255.0f - p.mean[c]) / p.std[c];
          same &= p.y[output * pixels + int64_t(i)] == v;
        }
      }
    }
    CHECK(same);
    CHECK(labels);
  }
}

TEST_CASE("mix pictures: pairs from both ends, inside of the box") {
  for (int samples : {0, 1, 2, 5})
    for (float keep : {0.0f, 0.3f, 1.0f}) {
      const int size = 7, channels = 3, numbers = size * size * channels;
      const Values x = random_values(samples * numbers, 1);
      auto launch = [&]<class T>(Buffers<T>& b) {
        MixPictures<T> p{b.update(x), samples, size, channels, 2, 6, 0, 4, keep};
        run(Cpu{}, p);
        return p.x;
      };
      check_kernel("mix pictures", [&]<class T>(Buffers<T>& b) { launch(b); });
      Buffers<double> b(false);
      const double* y = launch(b);
      for (int i = 0; i < samples * numbers; ++i) {
        const int n = i / numbers, at = i % numbers, row = at / (size * channels);
        const bool inside = row >= 2 && row < 6 && at / channels % size < 4;
        const double other = x[size_t((samples - 1 - n) * numbers + at)], own = x[size_t(i)];
        const double mixed = double(keep) * own + (1 - double(keep)) * other;
        CHECK(y[i] == doctest::Approx(inside ? mixed : own).epsilon(1e-6));
      }
    }
}

TEST_CASE("augment: draws are pinned, spread evenly, and reach both ends") {
  // A recipe's results depend on these numbers: they may not change.
  AugmentDraw d = draw_augmentation(1, 2, 3, 4, 8, 8, true, true, true);
  CHECK(d.top == 3);
  CHECK(d.left == 7);
  CHECK(d.flip == true);
  CHECK(d.turns == 1);
  std::map<int, int> top, turns;
  int flips = 0;
  constexpr int kDraws = 9000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    AugmentDraw a = draw_augmentation(1, 0, 0, i, 8, 8, true, true, true);
    ++top[a.top], ++turns[a.turns], flips += a.flip;
  }
  // 5 standard deviations of a binomial count.
  auto fair = [](int count, double p) {
    return std::abs(count - kDraws * p) < 5 * std::sqrt(kDraws * p * (1 - p));
  };
  CHECK(top.size() == 9);
  CHECK(turns.size() == 4);
  for (auto& [value, count] : top) CHECK(fair(count, 1.0 / 9));
  for (auto& [value, count] : turns) CHECK(fair(count, 0.25));
  CHECK(fair(flips, 0.5));
  // Another epoch or stream draws anew.
  int same_epoch = 0, same_stream = 0;
  for (uint64_t i = 0; i < kDraws; ++i) {
    int a = draw_augmentation(1, 0, 0, i, 8, 8, true, true, true).top;
    same_epoch += a == draw_augmentation(1, 0, 1, i, 8, 8, true, true, true).top;
    same_stream += a == draw_augmentation(1, 1, 0, i, 8, 8, true, true, true).top;
  }
  CHECK(fair(same_epoch, 1.0 / 9));
  CHECK(fair(same_stream, 1.0 / 9));
}
