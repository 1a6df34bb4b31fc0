// Masks: what they keep, how often, and what they depend on. (Patches and tokens:
// tests/engine/cases_patches.cpp.)
#include <doctest/doctest.h>
#include <algorithm>
#include <numeric>
#include <vector>
#include "kernels/parallel.h"
#include "kernels/patches.h"

using namespace autodidact;

namespace {

struct Mask {
  std::vector<int32_t> visible, place;
};
Mask draw(const std::vector<int64_t>& indices, int patches, int kept, uint64_t seed = 5,
          uint32_t epoch = 3) {
  const size_t n = indices.size();
  Mask m{std::vector<int32_t>(n * size_t(kept), -7), std::vector<int32_t>(n * size_t(patches), -7)};
  run(Cpu{}, DrawMask{m.visible.data(), m.place.data(), indices.data(), int(n), patches, kept, seed,
                      16, epoch});
  return m;
}
std::vector<int64_t> numbers(int count) {
  std::vector<int64_t> v(static_cast<size_t>(count));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

}  // namespace

TEST_CASE("a mask keeps so many patches, in their order, and knows their places") {
  for (auto [patches, kept] : {std::pair{64, 16}, {65, 1}, {196, 49}, {5, 0}, {5, 5}, {1, 1}}) {
    const Mask m = draw(numbers(20), patches, kept);
    for (int n = 0; n < 20; ++n) {
      const int32_t *visible = m.visible.data() + n * kept, *place = m.place.data() + n * patches;
      for (int i = 0; i < kept; ++i) {
        CHECK(place[visible[i]] == i);
        if (i > 0) CHECK(visible[i] > visible[i - 1]);
      }
      CHECK(std::count(place, place + patches, -1) == patches - kept);
    }
  }
}

TEST_CASE("a mask is that of the smallest keys, and depends on nothing but its sample") {
  const Mask all = draw(numbers(20), 64, 16);
  for (int n = 0; n < 20; ++n) {
    const Mask one = draw({n}, 64, 16);
    CHECK(std::equal(one.place.begin(), one.place.end(), &all.place[size_t(n) * 64]));
    uint32_t largest_kept = 0, smallest_hidden = ~0u;
    for (int p = 0; p < 64; ++p) {
      const uint32_t key = patch_key(5, 16, 3, n, p);
      if (one.place[size_t(p)] >= 0) largest_kept = std::max(largest_kept, key);
      else smallest_hidden = std::min(smallest_hidden, key);
    }
    CHECK(largest_kept < smallest_hidden);
  }
  CHECK(draw(numbers(20), 64, 16, 6).place != all.place);
  CHECK(draw(numbers(20), 64, 16, 5, 4).place != all.place);
  const int threads = thread_count();
  for (int t : {1, 3}) {
    set_thread_count(t);
    CHECK(draw(numbers(20), 64, 16).place == all.place);
  }
  set_thread_count(threads);
}

TEST_CASE("every patch stays visible equally often, and every pair of them") {
  constexpr int kSamples = 4000, kPatches = 16, kKept = 4;
  const Mask m = draw(numbers(kSamples), kPatches, kKept);
  double pair = 0;
  for (int p = 0; p < kPatches; ++p) {
    double count = 0;
    for (int n = 0; n < kSamples; ++n) {
      const bool stays = m.place[size_t(n * kPatches + p)] >= 0;
      count += stays;
      pair += stays && m.place[size_t(n * kPatches + (p + 1) % kPatches)] >= 0;
    }
    // Binomial: mean 1,000, deviation 27.4; five of them.
    CHECK(std::abs(count - 1000) < 137);
  }
  // 16 pairs, each with probability 4 3 / (16 15) = 0.05: mean 3,200, deviation below 57.
  CHECK(std::abs(pair - 3200) < 285);
}
