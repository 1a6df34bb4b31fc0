// The built-in world: fixed bytes, and masks, boxes, counts and splits that agree with each other.
// The gates (how hard it is for which learner) are in test_world_gates.cpp.
#include "train/data/world.h"
#include <doctest/doctest.h>
#include <xxhash.h>
#include <cmath>
#include <set>
#include <string>
#include "engine/check.h"
#include "kernels/parallel.h"
#include "train/data/world/scene.h"

using namespace autodidact;

namespace {

constexpr WorldSplit kSplits[] = {WorldSplit::train, WorldSplit::val, WorldSplit::test,
                                  WorldSplit::test2};

uint64_t hash_of(const WorldConfig& config, int n) {
  XXH64_state_t* state = XXH64_createState();
  XXH64_reset(state, 0);
  for (int i = 0; i < n; ++i) {
    WorldSample sample = render_world(config, i);
    XXH64_update(state, sample.image.data(), sample.image.size());
    XXH64_update(state, sample.instances.data(), sample.instances.size());
    XXH64_update(state, &sample.label, sizeof sample.label);
  }
  uint64_t hash = XXH64_digest(state);
  XXH64_freeState(state);
  return hash;
}

}  // namespace

TEST_CASE("world: the bytes never change silently") {
  // Changing a picture is allowed, but is a change of the data set: it belongs in the changelog,
  // and the results in docs/results have to be made again.
  struct Pin {
    WorldSplit split;
    WorldView view;
    int size;
    uint64_t hash;
  };
  const Pin pins[] = {
      {WorldSplit::train, WorldView::one, 32, 0x896eecf3d7dd2fbeull},
      {WorldSplit::val, WorldView::one, 33, 0xe98c3b2d098a7493ull},
      {WorldSplit::test, WorldView::one, 64, 0xa66472da3ec90fd8ull},
      {WorldSplit::test2, WorldView::one, 32, 0x1fc8318af4896a77ull},
      {WorldSplit::train, WorldView::scenes, 96, 0x9144c1dea4877b5bull},
      {WorldSplit::test2, WorldView::scenes, 224, 0xeda81472712e3ee9ull},
  };
  for (const Pin& pin : pins) {
    CAPTURE(int(pin.split));
    CAPTURE(pin.size);
    CHECK(hash_of({0, pin.split, pin.view, pin.size}, 40) == pin.hash);
  }
}

TEST_CASE("world: a sample does not depend on threads, order, or what was drawn before") {
  int before = thread_count();
  WorldConfig config{7, WorldSplit::train, WorldView::scenes, 48};
  constexpr int n = 64;
  std::vector<std::vector<uint8_t>> alone;
  for (int i = 0; i < n; ++i) alone.push_back(render_world(config, i).image);
  for (int threads : {1, 3}) {
    set_thread_count(threads);
    std::vector<std::vector<uint8_t>> together(n);
    parallel_for(n, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t j = n - 1 - i;
        render_world({1, WorldSplit::test, WorldView::one, 224}, i);  // dirties the buffers
        together[size_t(j)] = render_world(config, j).image;
      }
    });
    CHECK(together == alone);
  }
  set_thread_count(before);
}

TEST_CASE("world: render_world_image gives the image of render_world") {
  for (WorldView view : {WorldView::one, WorldView::scenes})
    for (int i = 0; i < 20; ++i) {
      WorldConfig config{3, WorldSplit::val, view, 40};
      std::vector<uint8_t> image(40 * 40 * 3 + 1, 0xAB);
      WorldSample sample = render_world(config, i);
      CHECK(render_world_image(image.data(), config, i) == sample.label);
      CHECK(sample.label == world_label(config, i));
      CHECK(image.back() == 0xAB);
      image.pop_back();
      CHECK(image == sample.image);
    }
}

TEST_CASE("world: seed, split, view and index each change the picture") {
  std::set<std::string> seen;  // GCC 12 warns falsely about comparing vectors of bytes
  size_t made = 0;
  for (uint64_t seed : {0ull, 1ull, 8ull})
    for (WorldSplit split : kSplits)
      for (WorldView view : {WorldView::one, WorldView::scenes})
        for (int64_t index : {int64_t(0), int64_t(1), int64_t(1) << 40}) {
          auto image = render_world({seed, split, view, 32}, index).image;
          seen.emplace(image.begin(), image.end());
          ++made;
        }
  CHECK(seen.size() == made);
}

TEST_CASE("world: every block of ten indices holds each class once, in varying order") {
  WorldConfig config{0, WorldSplit::train, WorldView::one, 32};
  std::set<std::string> orders;
  for (int block = 0; block < 20; ++block) {
    std::set<int> labels;
    std::string order;
    for (int i = 0; i < 10; ++i) {
      int label = world_label(config, block * 10 + i);
      labels.insert(label);
      order += char('0' + label);
    }
    CHECK(labels.size() == 10);
    orders.insert(order);
  }
  CHECK(orders.size() > 15);
}

TEST_CASE("world: one view shows one object, most of it inside the picture") {
  for (WorldSplit split : kSplits)
    for (int i = 0; i < 200; ++i) {
      WorldSample sample = render_world({0, split, WorldView::one, 32}, i);
      CHECK(sample.count() == 1);
      CHECK(sample.objects[0].label == sample.label);
      CHECK(sample.objects[0].visible == 1);
      const WorldBox& box = sample.objects[0].box;
      CHECK(std::max(box.x1 - box.x0, box.y1 - box.y0) >= 12);
    }
}

TEST_CASE("world: boxes are tight around the masks, and depth order explains the hidden part") {
  for (int i = 0; i < 200; ++i) {
    WorldSample sample = render_world({5, WorldSplit::train, WorldView::scenes, 64}, i);
    for (int k = 0; k < sample.count(); ++k) {
      const WorldObject& object = sample.objects[size_t(k)];
      int pixels = 0, left = 0, right = 0, top = 0, bottom = 0;
      for (int y = 0; y < 64; ++y)
        for (int x = 0; x < 64; ++x) {
          if (sample.instances[size_t(y * 64 + x)] != k + 1) continue;
          ++pixels;
          bool inside =
              x >= object.box.x0 && x < object.box.x1 && y >= object.box.y0 && y < object.box.y1;
          CHECK(inside);
          left += x == object.box.x0, right += x == object.box.x1 - 1;
          top += y == object.box.y0, bottom += y == object.box.y1 - 1;
        }
      CHECK(pixels > 0);
      CHECK(left * right * top * bottom > 0);
      CHECK(object.visible <= 1);
    }
    if (sample.count() > 0)
      CHECK(sample.objects.back().visible == 1);  // nothing is before the last
    for (uint8_t id : sample.instances) CHECK(id <= sample.count());
  }
}

TEST_CASE("world: counts 0 to 9 are equally likely, objects overlap, and none is lost") {
  constexpr int n = 2000;
  int count[kWorldMaxObjects + 1] = {}, objects = 0, overlapped = 0;
  for (int i = 0; i < n; ++i) {
    WorldSample sample = render_world({0, WorldSplit::train, WorldView::scenes, 64}, i);
    ++count[sample.count()];
    for (const WorldObject& object : sample.objects) {
      ++objects;
      overlapped += object.visible < 0.95f;
      CHECK(object.visible > 0.2f);  // a person can still count it
    }
  }
  double chi2 = 0;  // 9 degrees of freedom: above 33.7 with probability 1e-4
  for (int c : count) chi2 += std::pow(c - n / 10.0, 2) / (n / 10.0);
  CHECK(chi2 < 33.7);
  CHECK(overlapped > objects / 10);
}

TEST_CASE("world: objects stand upright within 20 degrees, everything else points anywhere") {
  auto scene = std::make_unique<world::Scene>();
  const float least = 0.9396926f - 1e-5f;  // cos 20 degrees
  int quadrant_light[4] = {}, quadrant_background[4] = {}, quadrant_clutter[4] = {};
  auto quadrant = [](world::Direction d) { return (d.cos > 0 ? 1 : 0) + (d.sin > 0 ? 2 : 0); };
  constexpr int n = 2000;
  int clutter = 0;
  for (int i = 0; i < n; ++i) {
    world::compose(*scene, {2, WorldSplit::train, WorldView::scenes, 32}, i);
    for (int k = 0; k < scene->object_count; ++k) {
      const world::Direction frame = scene->objects[size_t(k)].pose.frame;
      CHECK(frame.cos >= least);
      CHECK(std::fabs(frame.cos * frame.cos + frame.sin * frame.sin - 1) < 1e-5f);
    }
    ++quadrant_light[quadrant(scene->light.from)];
    ++quadrant_background[quadrant(scene->background.texture.frame)];
    for (int k = 0; k < scene->clutter_count; ++k, ++clutter)
      ++quadrant_clutter[quadrant(scene->clutter[size_t(k)].pose.frame)];
  }
  auto even = [](const int(&c)[4], int total) {  // 3 degrees of freedom: 21.1 at 1e-4
    double chi2 = 0;
    for (int k : c) chi2 += std::pow(k - total / 4.0, 2) / (total / 4.0);
    return chi2 < 21.1;
  };
  CHECK(even(quadrant_light, n));
  CHECK(even(quadrant_background, n));
  CHECK(even(quadrant_clutter, clutter));
}

TEST_CASE("world: no texture is shared between splits, and test has kinds that training lacks") {
  using world::Weft;
  std::set<std::string> textures;
  std::set<Weft> kinds[4];
  for (WorldSplit split : kSplits)
    for (int i = 0; i < world::kBankSize; ++i) {
      const world::Texture& t = world::bank_texture(split, i);
      textures.insert(std::to_string(int(t.weft)) + "/" + std::to_string(t.a) + "/" +
                      std::to_string(t.b) + "/" + std::to_string(t.gain));
      kinds[size_t(split)].insert(t.weft);
    }
  CHECK(textures.size() == 4 * world::kBankSize);
  CHECK(kinds[0] == kinds[1]);
  for (WorldSplit split : {WorldSplit::test, WorldSplit::test2})
    for (Weft kind : kinds[size_t(split)]) CHECK(kinds[0].count(kind) == 0);
}

TEST_CASE("world: a larger picture shows the same scene") {
  for (int i = 0; i < 20; ++i) {
    WorldSample small = render_world({0, WorldSplit::train, WorldView::scenes, 32}, i);
    WorldSample large = render_world({0, WorldSplit::train, WorldView::scenes, 224}, i);
    REQUIRE(small.count() == large.count());
    for (int k = 0; k < small.count(); ++k)
      CHECK(small.objects[size_t(k)].label == large.objects[size_t(k)].label);
    // 224 = 7 x 32: the centre of pixel x is the centre of the larger picture's pixel 7 x + 3.
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x)
        CHECK(small.instances[size_t(y * 32 + x)] ==
              large.instances[size_t((7 * y + 3) * 224 + 7 * x + 3)]);
  }
}

TEST_CASE("world: sizes and indices out of range are named") {
  CHECK_THROWS_WITH_AS(render_world({0, WorldSplit::train, WorldView::one, 31}, 0),
                       "world: size must be 32 to 224 pixels, got 31", Error);
  CHECK_THROWS_WITH_AS(render_world({0, WorldSplit::train, WorldView::one, 225}, 0),
                       "world: size must be 32 to 224 pixels, got 225", Error);
  CHECK_THROWS_WITH_AS(render_world({}, -1), "world: index must be at least 0, got -1", Error);
  CHECK_THROWS_WITH_AS(world_class_name(10), "world: a label must be 0 to 9, got 10", Error);
  CHECK(std::string(world_class_name(9)) == "ice cream");
}
