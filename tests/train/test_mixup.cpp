// Mixup and CutMix: shares and boxes against their definitions, what is mixed with what, and the
// loss and accuracy of a pair of labels.
#include "train/mixup.h"
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <numbers>
#include "train/classification.h"

using namespace autodidact;

namespace {

constexpr int kDraws = 20000;

MixKeys keys_of(double mixup, double cutmix) {
  MixKeys k;
  k.mixup = mixup, k.cutmix = cutmix;
  return k;
}

Batch number(int64_t index, int side) {
  Batch b;
  b.index = index, b.side = side;
  return b;
}

// The largest distance of the shares' distribution from this one.
double distance(double alpha, double (*distribution)(double)) {
  std::vector<double> shares;
  for (int i = 0; i < kDraws; ++i)
    shares.push_back(double(draw_mix(keys_of(alpha, 0), 3, number(i, 32)).share));
  std::sort(shares.begin(), shares.end());
  double most = 0;
  for (size_t i = 0; i < shares.size(); ++i)
    most = std::max(most, std::abs(distribution(shares[i]) - (double(i) + 0.5) / kDraws));
  return most;
}

}  // namespace

TEST_CASE("mixup: shares are Beta(alpha, alpha)") {
  // Kolmogorov and Smirnov: beyond 1.95 / sqrt(n) in one of 1,000 samples.
  const double allowed = 1.95 / std::sqrt(kDraws);
  CHECK(distance(0.5, [](double x) { return 2 / std::numbers::pi * std::asin(std::sqrt(x)); }) <
        allowed);
  CHECK(distance(1, [](double x) { return x; }) < allowed);
  CHECK(distance(2, [](double x) { return x * x * (3 - 2 * x); }) < allowed);
  CHECK(distance(2, [](double x) { return x; }) > allowed);
}

TEST_CASE("cutmix: a box of the share's area, cut at the borders") {
  Mix m = cutmix_box(0.75, 16, 16, 32);  // sqrt(1 - 0.75) 32 = 16 pixels a side
  CHECK((m.top == 8 && m.bottom == 24 && m.left == 8 && m.right == 24));
  CHECK(m.share == 0.75f);
  CHECK(m.keep == 0);
  m = cutmix_box(0.75, 0, 31, 32);
  CHECK((m.top == 0 && m.bottom == 8 && m.left == 23 && m.right == 32));
  CHECK(m.share == 1 - 72 / 1024.0f);
  m = cutmix_box(0.5, 3, 3, 7);  // int(4.95) / 2 = 2 to either side
  CHECK((m.top == 1 && m.bottom == 5));
  CHECK(m.share == 1 - 16 / 49.0f);
  CHECK(cutmix_box(1, 5, 5, 32).share == 1);
  CHECK(cutmix_box(0, 16, 16, 32).share == 0);
}

TEST_CASE("mixup and cutmix: either by itself, both at equal odds") {
  int cut = 0;
  for (int i = 0; i < kDraws; ++i) {
    const Batch b = number(i, 32);
    const Mix both = draw_mix(keys_of(0.8, 1), 3, b);
    cut += both.keep == 0 && both.share > 0;
    const Mix mixup = draw_mix(keys_of(0.8, 0), 3, b), cutmix = draw_mix(keys_of(0, 1), 3, b);
    REQUIRE(mixup.keep == mixup.share);
    REQUIRE((mixup.top == 0 && mixup.bottom == 32 && mixup.left == 0 && mixup.right == 32));
    REQUIRE(cutmix.keep == 0);
    REQUIRE(both.share == (both.keep == 0 ? cutmix : mixup).share);
  }
  CHECK(std::abs(cut - kDraws / 2) <= 5 * std::sqrt(kDraws / 4));
  Batch later = number(0, 32);
  later.epoch = 1;
  const float share = draw_mix(keys_of(1, 0), 3, number(0, 32)).share;
  CHECK(draw_mix(keys_of(1, 0), 3, later).share != share);
  CHECK(draw_mix(keys_of(1, 0), 4, number(0, 32)).share != share);
}

TEST_CASE("mix: each picture with the one from the other end, inside of the box") {
  NetworkInput in;
  in.x = empty({3, 2, 2, 1});
  for (int i = 0; i < 12; ++i) ptr<float>(in.x)[i] = float(i);
  mix(in, {0, 2, 1, 2, 0.75f, 0.6f}, {7, 8, 9});
  const float expected[] = {0, 0.75f * 1 + 0.25f * 9, 2,  0.75f * 3 + 0.25f * 11, 4, 5, 6, 7,
                            8, 0.75f * 9 + 0.25f * 1, 10, 0.75f * 11 + 0.25f * 3};
  for (int i = 0; i < 12; ++i) CHECK(ptr<float>(in.x)[i] == expected[i]);
  const int32_t* partner = ptr<int32_t>(in.partners);
  CHECK((partner[0] == 9 && partner[1] == 8 && partner[2] == 7));
  CHECK(ptr<float>(in.shares)[0] == 0.6f);
  CHECK(ptr<float>(in.shares)[1] == 1 - 0.6f);
}

TEST_CASE("mixup: loss and accuracy of the soft target, label smoothing in it") {
  for (const char* key : {"mixup=0.8", "cutmix=1"}) {
    Recipe recipe;
    for (const char* setting : {"model=vit_tiny", "width=16", "depth=1", "heads=2", "patch_size=4",
                                "crop_padding=0", "flip=false", "label_smoothing=0.1", key})
      recipe.set(std::string(setting));
    auto method = make_method("supervised", recipe, {8, {"a", "b", "c"}, 1}, Dtype::f32);
    recipe.check_all_known();
    Batch batch = number(5, 8);
    batch.count = 6, batch.samples = {0, 1, 2, 3, 4, 5}, batch.labels = {0, 1, 2, 0, 0, 1};
    for (int i = 0; i < 6 * 8 * 8 * 3; ++i)
      batch.images.push_back(uint8_t(philox(1, uint64_t(i), 0).v[0]));
    Metrics metrics;
    const double loss = double(item<float>(method->loss(batch, metrics)));

    NetworkInput in = augment(batch, {}, Dtype::f32);
    const Mix m = draw_mix(*key == 'm' ? keys_of(0.8, 0) : keys_of(0, 1), 1, batch);
    REQUIRE((m.share > 0.01f && m.share < 0.99f));
    mix(in, m, batch.labels);
    const Tensor logits = method->logits(in.x);
    double expected = 0, right = 0;
    for (int n = 0; n < 6; ++n) {
      const float* z = ptr<const float>(logits) + 3 * n;
      double sum = 0;
      for (int c = 0; c < 3; ++c) sum += std::exp(double(z[c]));
      const int own = batch.labels[size_t(n)], other = batch.labels[size_t(5 - n)];
      const double share = double(m.share);
      for (int c = 0; c < 3; ++c) {
        const double onehot = share * (c == own) + (1 - share) * (c == other);
        expected -= (0.9 * onehot + 0.1 / 3) * (double(z[c]) - std::log(sum)) / 6;
      }
      const auto guess = std::max_element(z, z + 3) - z;
      right += (share * (guess == own) + (1 - share) * (guess == other)) / 6;
    }
    CHECK(loss == doctest::Approx(expected).epsilon(1e-5));
    CHECK(metrics[1].first == "accuracy");
    CHECK(metrics[1].second == doctest::Approx(right).epsilon(1e-6));
  }
}

TEST_CASE("mixup: of the data's labels alone") {
  Recipe recipe;
  recipe.set(std::string("mixup=0.8"));
  make_method("rotation", recipe, {32, {}, 1}, Dtype::f32);
  CHECK_THROWS_AS(recipe.check_all_known(), Error);
}
