// Damaged and hostile image files: each is refused with a reason that names the file, whatever is
// wrong with it; nothing crashes, and no picture comes out half grey.
#include <doctest/doctest.h>
#include <map>
#include "tests/train/damaged_files.h"
#include "tests/train/image_corpus.h"
#include "engine/check.h"
#include "kernels/philox.h"
#include "train/data/image_file.h"

using namespace autodidact;

namespace {

// "" where the file decodes, else the message.
std::string refusal(const Encoded& file, const std::string& name) {
  try {
    decode_image(file, name);
    return "";
  } catch (const Error& e) {
    CHECK(e.kind == ErrorKind::data);
    return e.what();
  }
}

}  // namespace

TEST_CASE("forty kinds of damaged image are refused by name, with the reason") {
  const auto kinds = damaged_files();
  CHECK(kinds.size() >= 40);
  for (auto& kind : kinds) {
    const std::string name = std::string("folder/") + kind.name;
    std::string message = refusal(kind.file, name);
    CAPTURE(message);
    CHECK(message.rfind(name + ": ", 0) == 0);
    CHECK(message.find(kind.reason) != message.npos);
  }
}

TEST_CASE("every truncation of every format is refused") {
  const Image picture = test_picture(10, 12);
  struct Case {
    const char* name;
    Encoded file;
  };
  for (const Case& c :
       {Case{"a.jpg", make_jpeg(picture)}, Case{"p.jpg", make_jpeg(picture, {.progressive = true})},
        Case{"c.jpg", make_jpeg(picture, {.components = 4})}, Case{"a.png", make_png(picture)},
        Case{"i.png", make_png(picture, {16, PngForm::rgba, true})},
        Case{"a.bmp", make_bmp(picture)}, Case{"a.tga", make_tga(picture, false)},
        Case{"r.tga", make_tga(picture, true)}, Case{"a.ppm", make_pnm(picture, false, 255)},
        Case{"a.pgm", make_pnm(picture, true, 65535)}}) {
    CAPTURE(std::string(c.name));
    CHECK(refusal(c.file, c.name) == "");
    for (size_t bytes = 0; bytes < c.file.size(); ++bytes) {
      CAPTURE(bytes);
      CHECK(refusal(cut(c.file, bytes), c.name) != "");
    }
  }
  // A GIF is complete when its pixels are: the end-of-data code, block end and trailer may miss.
  Encoded gif = make_gif(10, 12);
  for (size_t bytes = 0; bytes + 8 < gif.size(); ++bytes)
    CHECK(refusal(cut(gif, bytes), "a.gif") != "");
}

TEST_CASE("flipped bits: an error or a picture, never anything else") {
  const Image picture = test_picture(24, 32);
  std::map<bool, int> outcomes;
  uint64_t n = 0;
  for (const auto& file :
       {make_jpeg(picture), make_jpeg(picture, {.progressive = true, .orientation = 6}),
        make_jpeg(picture, {.components = 4, .ycck = true}), make_png(picture),
        make_png(picture, {4, PngForm::palette, true}), make_bmp(picture), make_gif(24, 32),
        make_tga(picture, true), make_pnm(picture, true, 65535)})
    for (int trial = 0; trial < 300; ++trial) {
      Encoded damaged = file;
      for (int flips = 0; flips <= trial % 4; ++flips) {
        Philox4 r = philox(1, n++, 0);
        damaged[below(r.v[0], uint32_t(damaged.size()))] ^= uint8_t(1u << below(r.v[1], 8));
      }
      ++outcomes[refusal(damaged, "a.tga") == ""];
    }
  CHECK(outcomes[true] > 0);
  CHECK(outcomes[false] > 0);
}

TEST_CASE("limits: file size, scans, sides are checked before memory is taken") {
  const Image picture = test_picture(48, 64);
  CHECK_THROWS_WITH_AS(decode_image(make_png(picture), "a.png", {.side = 63}),
                       doctest::Contains("64 x 48 pixels, the limit is 63 a side"), Error);
  CHECK_THROWS_WITH_AS(decode_image(make_png(picture), "a.png", {.pixels = 3000}),
                       doctest::Contains("3072 pixels, the limit is 3000"), Error);
  CHECK_THROWS_WITH_AS(decode_image(make_png(picture), "a.png", {.bytes = 100}),
                       doctest::Contains("bytes, the limit is 100"), Error);
  auto progressive = make_jpeg(picture, {.progressive = true});
  CHECK_NOTHROW(decode_image(progressive, "a.jpg"));
  CHECK_THROWS_WITH_AS(decode_image(progressive, "a.jpg", {.scans = 3}),
                       doctest::Contains("more than 3 scans"), Error);
  TestFolder folder;
  CHECK_THROWS_WITH_AS(read_image(folder.add("a.png", make_png(picture)), {.bytes = 100}),
                       doctest::Contains("the limit is 100"), Error);
  CHECK_THROWS_WITH_AS(read_image(folder.path()), doctest::Contains("not a regular file"), Error);
  CHECK_THROWS_WITH_AS(read_image(folder.path() + "/none.png"),
                       doctest::Contains("none.png: cannot be opened: No such file"), Error);
}

TEST_CASE("pictures of 1 x 1, and names that are not fit to print") {
  const Image dot = test_picture(1, 1);
  for (const auto& file : {make_jpeg(dot), make_png(dot), make_bmp(dot), make_tga(dot, false),
                           make_gif(1, 1), make_pnm(dot, false, 255)}) {
    Image image = decode_image(file, "a.tga");
    CHECK(image.height == 1);
    CHECK(image.width == 1);
  }
  CHECK(refusal({}, "a\nb\x1b[31m\xff\xc3\xa9.jpg").rfind("a\\nb\\x1b[31m\\xff\xc3\xa9.jpg: ", 0) ==
        0);
}
