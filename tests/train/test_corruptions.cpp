// The corruptions: their committed statistics, what each must leave as it is, and what they refuse.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include "kernels/parallel.h"
#include "ttt/corruptions/corruption.h"
#include "ttt/corruptions/picture.h"

using namespace autodidact;

namespace {

Image picture(int height, int width, uint64_t seed = 3) {
  Rng rng(seed);
  Image image{height, width, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.rgb.push_back(uint8_t(60 + 100 * (y / 4 % 2) + 20 * c + int(rng.below(30))));
  return image;
}
Image flat(int side, uint8_t r, uint8_t g, uint8_t b) {
  Image image{side, side, {}};
  for (int i = 0; i < side * side; ++i) image.rgb.insert(image.rgb.end(), {r, g, b});
  return image;
}
double mean_of(const Image& image, size_t channel) {
  double sum = 0;
  for (size_t i = channel; i < image.rgb.size(); i += 3) sum += image.rgb[i];
  return sum / double(image.rgb.size() / 3);
}
double distance(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) {
    const double d = double(a.rgb[i]) - double(b.rgb[i]);
    sum += d * d;
  }
  return std::sqrt(sum / double(a.rgb.size()));
}

}  // namespace

// The table is what `autodidact corrupt --data world:test --count 1000 --corruption all,extra
// --statistics` prints. Every number of it is recomputed; a rounding of the last digit that is
// shown may differ between C libraries.
TEST_CASE("corruptions: the committed statistics over 1,000 pictures are ours") {
  std::ifstream table(SOURCE_DIR "/docs/corruptions.txt");
  REQUIRE(table.good());
  const DatasetPtr world = subset(
      open_dataset("world:test"),
      [] {
        std::vector<int64_t> first(1000);
        for (size_t i = 0; i < first.size(); ++i) first[i] = int64_t(i);
        return first;
      }(),
      "the first 1000");
  std::string line;
  std::getline(table, line);
  size_t rows = 0;
  while (std::getline(table, line)) {
    std::istringstream row(line);
    Corruption c;
    double mean, deviation, distance;
    if (!(row >> c.name >> c.severity >> mean >> deviation >> distance)) break;
    CAPTURE(line);
    const auto s = corruption_statistics(*world, world->size(), c, {});
    CHECK(std::abs(s.mean - mean) <= 0.011);
    CHECK(std::abs(s.deviation - deviation) <= 0.011);
    CHECK(std::abs(s.distance - distance) <= 0.011);
    ++rows;
  }
  CHECK(rows == 5 * corruption_names().size());
}

TEST_CASE("corruptions: a severity is further from the picture than the one before it") {
  // glass_blur's third severity has one round, its fourth two with less blur; saturate goes both
  // ways; frost and the snow of ImageNet-C darken again; the distortions of elastic_transform and
  // spatter change their kind.
  const std::vector<std::string> uneven = {"glass_blur", "saturate",          "frost",
                                           "snow",       "elastic_transform", "spatter"};
  for (int side : {32, 64, 224}) {
    const DatasetPtr world = open_dataset("world:test", {.side = side});
    for (const std::string& name : corruption_names()) {
      if (std::find(uneven.begin(), uneven.end(), name) != uneven.end()) continue;
      CAPTURE(name);
      CAPTURE(side);
      double before = 0;
      const int pictures = side == 224 ? 4 : 16;
      for (int severity = 1; severity <= 5; ++severity) {
        double sum = 0;
        for (int i = 0; i < pictures; ++i) {
          const Image clean = world->image(i);
          sum += distance(corrupted(clean, {name, double(severity)}, i, {}), clean);
        }
        CHECK(sum >= before);
        before = sum;
      }
      CHECK(before > 0);
    }
  }
}

TEST_CASE("corruptions: a picture depends on its seed and its number, and on no thread") {
  const Image clean = picture(32, 32);
  const int threads = thread_count();
  for (const std::string& name : corruption_names()) {
    CAPTURE(name);
    const Corruption c{name, 5};
    const Image once = corrupted(clean, c, 7, {});
    set_thread_count(3);
    CHECK(corrupted(clean, c, 7, {}) == once);
    set_thread_count(threads);
    const bool drawn = name != "defocus_blur" && name != "zoom_blur" && name != "brightness" &&
                       name != "contrast" && name != "pixelate" && name != "jpeg_compression" &&
                       name != "gaussian_blur" && name != "saturate";
    CHECK((corrupted(clean, c, 8, {}) != once) == drawn);
    CHECK((corrupted(clean, c, 7, {.seed = 2, .frost = nullptr}) != once) == drawn);
  }
}

TEST_CASE("corruptions: noise has its moments") {
  const Image grey = flat(144, 128, 128, 128);  // Tiny-ImageNet-C's table
  // 62,208 values: a deviation errs by 1 / sqrt(2 n) of itself, 0.3 %; five times that, and the
  // half unit that is cut off: sqrt(d^2 + 0.5^2) is within 0.25 / d of d.
  auto has_deviation = [&](const char* name, double expected) {
    const double found = distance(corrupted(grey, {name, 1}, 0, {}), grey);
    CHECK_MESSAGE(std::abs(found - expected) <= 0.015 * expected + 0.25 / expected,
                  name << ": " << found << ", expected " << expected);
  };
  has_deviation("gaussian_noise", 255 * 0.04);
  has_deviation("speckle_noise", 128 * 0.15);
  has_deviation("shot_noise", std::sqrt(128 / 255.0 / 250) * 255);
  int hit = 0;
  const Image salted = corrupted(grey, {"impulse_noise", 5}, 0, {});
  for (uint8_t v : salted.rgb) hit += v != 128;
  CHECK(std::abs(hit / 62208.0 - 0.14) <= 5 * std::sqrt(0.14 * 0.86 / 62208));
}

TEST_CASE("corruptions: what each keeps") {
  const Image clean = picture(32, 32);
  const Image low = corrupted(clean, {"contrast", 5}, 0, {});
  for (size_t c = 0; c < 3; ++c) CHECK(std::abs(mean_of(low, c) - mean_of(clean, c)) <= 1);
  // A flat picture stays flat under every blur, at most one below for what is cut off.
  const Image one = flat(32, 200, 100, 50);
  for (const char* name : {"defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
                           "gaussian_blur", "pixelate", "elastic_transform"}) {
    CAPTURE(name);
    const Image blurred = corrupted(one, {name, 5}, 0, {});
    for (size_t i = 0; i < one.rgb.size(); ++i)
      CHECK((blurred.rgb[i] <= one.rgb[i] && blurred.rgb[i] + 1 >= one.rgb[i]));
  }
  // Hue and saturation stay: channels grow by the same factor.
  const Image bright = corrupted(flat(32, 100, 50, 25), {"brightness", 5}, 0, {});
  CHECK(bright.rgb[0] == 176);  // 100 + 0.3 * 255, cut off
  CHECK(bright.rgb[1] == 88);
  CHECK(bright.rgb[2] == 44);
  // Grey has no saturation to scale; what is added makes it red, as skimage's hue of 0.
  const Image red = corrupted(flat(32, 100, 100, 100), {"saturate", 5}, 0, {});
  CHECK((red.rgb[0] == 100 && red.rgb[1] == 80 && red.rgb[2] == 80));
  const Image box = corrupted(clean, {"pixelate", 5}, 0, {});  // 20 of 32 pixels remain
  CHECK(std::equal(box.rgb.begin(), box.rgb.begin() + 3, box.rgb.begin() + 3));
}

TEST_CASE("corruptions: between two severities the parameters are between theirs") {
  const Level level(2.5, 32);
  CHECK(level({1, 2, 4, 8, 16}, {}, {}) == 3);
  CHECK(Level(5, 32)({1, 2, 4, 8, 16}, {}, {}) == 16);
  CHECK(Level(1, 64)({}, {1, 2, 4, 8, 16}, {}) == 1);
  CHECK(Level(4, 224)({}, {}, {1, 2, 4, 8, 16}) == 8);
  const DatasetPtr world = subset(open_dataset("world:test"), {0, 1, 2}, "three");
  const DatasetPtr rising = gradually_corrupted(world, {"gaussian_noise", 5}, 1, {});
  CHECK(rising->image(0) == corrupted(world->image(0), {"gaussian_noise", 1}, 0, {}));
  CHECK(rising->image(1) == corrupted(world->image(1), {"gaussian_noise", 3}, 1, {}));
  CHECK(rising->image(2) == corrupted(world->image(2), {"gaussian_noise", 5}, 2, {}));
}

TEST_CASE("corruptions: pictures that are not square, and textures of the user's own") {
  const Image wide = picture(40, 250);
  for (const std::string& name : corruption_names()) {
    CAPTURE(name);
    const Image out = corrupted(wide, {name, 3}, 0, {});
    CHECK((out.height == 40 && out.width == 250));
  }
  CorruptionOptions options;
  options.frost = std::make_shared<std::vector<Image>>(1, flat(20, 255, 0, 0));
  const Image red = corrupted(flat(32, 0, 0, 0), {"frost", 5}, 0, options);
  CHECK((red.rgb[0] == 114 && red.rgb[1] == 0 && red.rgb[2] == 0));  // 0.45 * 255, cut off
}

TEST_CASE("corruptions: names, severities and small pictures") {
  CHECK(parse_corruptions("all").size() == 75);
  CHECK(parse_corruptions("extra:5").size() == 4);
  CHECK(parse_corruptions("fog").size() == 5);
  const auto two = parse_corruptions("fog:2.5,snow:1");
  REQUIRE(two.size() == 2);
  CHECK((two[1].name == "fog" && two[1].severity == 2.5 && to_string(two[0]) == "snow:1"));
  auto refused = [](const char* text, const char* why) {
    CHECK_THROWS_WITH_AS(parse_corruptions(text), doctest::Contains(why), Error);
  };
  refused("fgo", "unknown corruption fgo; did you mean fog?");
  refused("fog:6", "a severity is a number from 1 to 5, got 6");
  refused("fog:", "a severity is a number from 1 to 5");
  refused("fog:nan", "a severity is a number from 1 to 5");
  refused("", "is missing");
  CHECK_THROWS_WITH_AS(corrupted(picture(1, 1), {"fog", 1}, 0, {}),
                       "a picture to corrupt needs at least 16 x 16 pixels, got 1 x 1", Error);
}
