// Stochastic depth: whose branches are skipped, how often, and what a block then computes.
#include "train/drop_path.h"
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include "models/vit.h"
#include "train/method.h"

using namespace autodidact;

namespace {

Batch batch_of(std::vector<int64_t> samples, int64_t epoch = 0) {
  Batch b;
  b.epoch = epoch, b.count = int(samples.size()), b.samples = std::move(samples);
  return b;
}

Batch first(int64_t count) {
  std::vector<int64_t> samples(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) samples[size_t(i)] = i;
  return batch_of(samples);
}

std::vector<float> values(const Tensor& t) {
  const float* p = ptr<const float>(t);
  return {p, p + t.size()};
}

VisionTransformer small(int depth) {
  Rng rng(1);
  return VisionTransformer({.width = 8, .depth = depth, .heads = 2, .patch = 4, .side = 8}, rng);
}

Tensor some_pictures(int count) {
  Tensor x = empty({count, 8, 8, 3});
  Rng rng(2);
  fill_normal(x, 0, 1, rng);
  return x;
}

}  // namespace

TEST_CASE("drop path: rates grow linearly, and what stays is divided by its share") {
  const int N = 20000, depth = 4;
  const std::vector<float> factors = draw_paths(0.3, depth, 5, first(N), 1);
  REQUIRE(factors.size() == size_t(2 * depth * N));
  for (int branch = 0; branch < 2 * depth; ++branch) {
    const double rate = 0.3 * (branch / 2) / 3;  // 0, 0.1, 0.2, 0.3
    int skipped = 0;
    for (int n = 0; n < N; ++n) {
      const float f = factors[size_t(branch * N + n)];
      skipped += f == 0;
      if (f != 0) REQUIRE(f == doctest::Approx(1 / (1 - rate)).epsilon(1e-6));
    }
    // Five standard deviations of a binomial count; none in the first block.
    CHECK(std::abs(skipped - N * rate) <= 5 * std::sqrt(N * rate * (1 - rate)));
  }
}

TEST_CASE("drop path: branches, samples, copies, epochs and seeds are drawn apart") {
  const auto all = draw_paths(0.5, 2, 5, first(64), 1);
  auto row = [&](const std::vector<float>& f, int branch, int inputs) {
    return std::vector<float>(f.begin() + branch * inputs, f.begin() + (branch + 1) * inputs);
  };
  CHECK(row(all, 2, 64) != row(all, 3, 64));
  CHECK(draw_paths(0.5, 2, 6, first(64), 1) != all);
  CHECK(draw_paths(0.5, 2, 5, batch_of(first(64).samples, 1), 1) != all);
  // A sample's draws are its own, whatever it shares a batch with.
  const auto two = draw_paths(0.5, 2, 5, batch_of({40, 7}), 1);
  for (int branch = 0; branch < 4; ++branch) {
    CHECK(two[size_t(2 * branch)] == all[size_t(64 * branch + 40)]);
    CHECK(two[size_t(2 * branch + 1)] == all[size_t(64 * branch + 7)]);
  }
  const auto turned = row(draw_paths(0.5, 2, 5, first(64), 4), 2, 256);
  std::vector<float> copies[2];
  for (size_t n = 0; n < 64; ++n)
    for (size_t c : {0, 1}) copies[c].push_back(turned[4 * n + c]);
  CHECK(copies[0] != copies[1]);
  for (float f : draw_paths(0.5, 1, 5, first(64), 1)) CHECK(f == 1);  // no last block but the first
}

TEST_CASE("drop path: a block without its branches is the identity, for those samples alone") {
  VisionTransformer vit = small(1);
  const Tensor x = vit.embed(some_pictures(2));
  const auto in = values(x), out = values(vit.block(1, x));
  vit.paths = tensor_of<float>({2, 2}, {0, 1, 0, 1});
  const auto dropped = values(vit.block(1, x));
  const auto half = std::ptrdiff_t(in.size() / 2);
  CHECK(std::equal(in.begin(), in.begin() + half, dropped.begin()));
  CHECK(std::equal(out.begin() + half, out.end(), dropped.begin() + half));
  CHECK(!std::equal(in.begin() + half, in.end(), dropped.begin() + half));
  // Either branch by itself: input + attn(norm1(input)), and that again with the MLP.
  vit.paths = tensor_of<float>({2, 2}, {1, 0.5, 0, 2});
  const TransformerBlock& b = vit.layers[0];
  const Tensor a = b.attn(b.norm1(x));
  const Tensor y = scale_rows(a, tensor_of<float>({2}, {1, 0.5})) + x;
  const auto seen = values(y), m = values(b.mlp(b.norm2(y))), got = values(vit.block(1, x));
  for (size_t i = 0; i < got.size(); ++i)
    CHECK(got[i] == doctest::Approx(seen[i] + (i < got.size() / 2 ? 0 : 2 * m[i])).epsilon(1e-5));
}

TEST_CASE("drop path: only while training") {
  VisionTransformer vit = small(2);
  const Tensor x = some_pictures(3);
  const auto whole = values(vit.features(x));
  vit.paths = zeros({4, 3});
  CHECK(values(vit.features(x)) != whole);
  set_training(vit, false);
  CHECK(values(vit.features(x)) == whole);
}

TEST_CASE("drop path: refused where there is nothing to skip") {
  Recipe recipe;
  for (const char* key : {"model=resnet18", "width=8", "drop_path=0.1"})
    recipe.set(std::string(key));
  CHECK_THROWS_WITH_AS(make_method("supervised", recipe, {32, {"a", "b"}, 1}, Dtype::f32),
                       "train: drop_path is for Vision Transformers, got 0.1 for resnet18", Error);
}
