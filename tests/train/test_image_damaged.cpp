// Damaged and hostile image files: each is refused with a reason that names the file, whatever is
// wrong with it; nothing crashes, and no picture comes out half grey.
#include <doctest/doctest.h>
#include <map>
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

Encoded text(const std::string& s) { return {s.begin(), s.end()}; }
Encoded patched(Encoded file, size_t at, std::vector<uint8_t> bytes) {
  std::copy(bytes.begin(), bytes.end(), file.begin() + long(at));
  return file;
}
size_t marker(const Encoded& jpeg, uint8_t code) {  // where FF code stands
  for (size_t i = 2; i + 1 < jpeg.size(); ++i)
    if (jpeg[i] == 0xff && jpeg[i + 1] == code) return i;
  FAIL("no such marker");
  return 0;
}

}  // namespace

TEST_CASE("forty kinds of damaged image are refused by name, with the reason") {
  const Image picture = test_picture(48, 64);
  const Encoded jpeg = make_jpeg(picture), progressive = make_jpeg(picture, {.progressive = true}),
                grey = make_jpeg(picture, {.components = 1}), png = make_png(picture),
                bmp = make_bmp(picture), tga = make_tga(picture, false), gif = make_gif(48, 64),
                ppm = make_pnm(picture, false, 255);
  const size_t frame = marker(jpeg, 0xc0), huffman = marker(jpeg, 0xc4);
  struct Kind {
    const char* name;
    Encoded file;
    const char* reason;
  };
  const std::vector<Kind> kinds = {
      {"empty.jpg", {}, "empty"},
      {"one-byte.png", {0x89}, "not an image"},
      {"text.jpg", text("<html>404 not found</html>"), "not an image"},
      {"zeros.jpg", Encoded(4096, 0), "not an image"},
      {"ones.png", Encoded(4096, 0xff), "not an image"},
      {"webp.jpg", text("RIFF\1\2\3\4WEBPVP8 "), "WebP"},
      {"tiff.jpg", Encoded{'I', 'I', '*', 0, 8, 0, 0, 0}, "TIFF"},
      {"heic.jpg", Encoded{0, 0, 0, 24, 'f', 't', 'y', 'p', 'h', 'e', 'i', 'c'}, "HEIC"},
      {"svg.png", text("<svg xmlns='http://www.w3.org/2000/svg'/>"), "SVG"},
      {"ascii.ppm", text("P3\n1 1\n255\n1 2 3\n"), "PNM variant"},
      {"jpeg-magic-only.jpg", {0xff, 0xd8, 0xff}, "damaged JPEG"},
      {"jpeg-header-cut.jpg", cut(jpeg, 100), "damaged JPEG"},
      {"jpeg-cut-at-half.jpg", cut(jpeg, jpeg.size() / 2), "Premature end"},
      {"jpeg-last-bytes-gone.jpg", cut(jpeg, jpeg.size() - 2), "Premature end"},
      {"jpeg-grey-cut.jpg", cut(grey, grey.size() - 40), "Premature end"},
      {"progressive-cut-at-half.jpg", cut(progressive, progressive.size() / 2), "Premature end"},
      {"progressive-cut-late.jpg", cut(progressive, progressive.size() - 20), "Premature end"},
      {"jpeg-no-tables.jpg", patched(jpeg, marker(jpeg, 0xdb) + 1, {0xe9}), "damaged JPEG"},
      {"jpeg-bad-huffman.jpg", patched(jpeg, huffman + 5, Encoded(16, 0xff)), "damaged JPEG"},
      {"jpeg-12-bit.jpg", patched(jpeg, frame + 4, {12}), "damaged JPEG"},
      {"jpeg-zero-height.jpg", patched(jpeg, frame + 5, {0, 0}), "damaged JPEG"},
      {"jpeg-zero-width.jpg", patched(jpeg, frame + 7, {0, 0}), "damaged JPEG"},
      {"jpeg-60000-a-side.jpg", patched(jpeg, frame + 5, {0xea, 0x60, 0xea, 0x60}),
       "60000 x 60000"},
      {"jpeg-100-megapixels.jpg", patched(jpeg, frame + 5, {0x27, 0x10, 0x27, 0x10}), "100000000"},
      {"jpeg-taller-than-data.jpg", patched(jpeg, frame + 5, {0x20, 0}), "damaged JPEG"},
      {"jpeg-2-components.jpg", patched(jpeg, frame + 9, {2}), "damaged JPEG"},
      {"jpeg-lossless.jpg", patched(jpeg, frame + 1, {0xc3}), "damaged JPEG"},
      {"png-magic-only.png", cut(png, 8), "data end early"},
      {"png-cut-in-header.png", cut(png, 20), "data end early"},
      {"png-cut-at-half.png", cut(png, png.size() / 2), "data end early"},
      {"png-without-end.png", cut(png, png.size() - 12), "data end early"},
      {"png-bad-checksum.png", patched(png, 29, {0, 0, 0, 0}), "damaged PNG"},
      {"png-60000-a-side.png", patched(png, 16, {0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60}), "PNG"},
      {"png-no-pixels.png", patched(png, 16, {0, 0, 0, 0}), "damaged PNG"},
      {"png-bits-flipped.png", patched(png, png.size() / 2, {uint8_t(~png[png.size() / 2])}),
       "PNG"},
      {"png-newlines-changed.png", patched(png, 4, {'\n', '\n'}), "not an image"},
      {"bmp-cut-at-half.bmp", cut(bmp, bmp.size() / 2), "data end early"},
      {"bmp-cut-in-header.bmp", cut(bmp, 30), "damaged image"},
      {"bmp-huge.bmp", patched(bmp, 18, {0, 0, 0, 0x40}), "1073741824 x 48"},
      {"bmp-20000-wide.bmp", patched(bmp, 18, {0x20, 0x4e, 0, 0}), "20000 x 48"},
      {"gif-cut-at-half.gif", cut(gif, gif.size() / 2), "damaged image"},
      {"gif-cut-in-header.gif", cut(gif, 10), "damaged image"},
      {"gif-no-frame.gif", patched(gif, 19, {';'}), "damaged image"},
      {"gif-65535-a-side.gif", patched(gif, 6, {0xff, 0xff, 0xff, 0xff}), "65535 x 65535"},
      {"gif-named.jpg", cut(gif, gif.size() / 2), "damaged image"},
      {"tga-cut-at-half.tga", cut(tga, tga.size() / 2), "data end early"},
      {"tga-text.tga", text("this is not a picture at all"), "damaged image"},
      {"ppm-cut.ppm", cut(ppm, ppm.size() - 1), "data end early"},
      {"ppm-no-numbers.ppm", text("P6\nx y\n255\n"), "a number was expected"},
      {"ppm-huge.ppm", text("P6\n99999999 99999999\n255\n"), "99999999 x 99999999"},
      {"ppm-largest-0.ppm", text("P6\n1 1\n0\nabc"), "largest value is 0"},
      {"pgm-0-wide.pgm", text("P5\n0 5\n255\n"), "0 x 5"},
  };
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
