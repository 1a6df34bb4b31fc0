// Every way of storing a picture that is read, and what becomes of it.
#include <doctest/doctest.h>
#include "tests/skip.h"
#include "tests/train/image_corpus.h"
#include "engine/check.h"
#include "kernels/cpu_class.h"
#include "train/data/image_file.h"

using namespace autodidact;

namespace {

Image grey(Image image) {
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    uint8_t* p = &image.rgb[i];
    p[0] = p[1] = p[2] = uint8_t((p[0] * 299 + p[1] * 587 + p[2] * 114) / 1000);
  }
  return image;
}

}  // namespace

// Quality 95 rounds to steps of at most 12; the mean error of rounding is a quarter of a step, and
// the colour conversions round once each way.
constexpr double kJpegError = 12 / 4.0 + 1;

TEST_CASE("a JPEG comes out as it went in, whatever its form") {
  const Image picture = test_picture(45, 61);
  for (bool progressive : {false, true}) {
    CAPTURE(progressive);
    auto colour = decode_image(make_jpeg(picture, {.progressive = progressive}), "a.jpg");
    CHECK(distance(colour, picture).mean < kJpegError);
    auto no_colour =
        decode_image(make_jpeg(picture, {.components = 1, .progressive = progressive}), "a.jpg");
    CHECK(distance(no_colour, grey(picture)).mean < kJpegError);
    for (bool ycck : {false, true}) {
      JpegForm form{.components = 4, .ycck = ycck, .progressive = progressive};
      CHECK(distance(decode_image(make_jpeg(picture, form), "a.jpg"), picture).mean < kJpegError);
    }
  }
}

TEST_CASE("a PNG comes out as it went in, whatever its form") {
  const Image picture = test_picture(45, 61);
  for (bool interlaced : {false, true})
    for (int bits : {8, 16}) {
      CAPTURE(interlaced);
      CAPTURE(bits);
      auto decoded = [&](auto colour) {
        return decode_image(make_png(picture, {bits, colour, interlaced}), "a.png");
      };
      CHECK(decoded(PngForm::rgb) == picture);
      CHECK(decoded(PngForm::rgba) == picture);
      CHECK(decoded(PngForm::grey) == grey(picture));
      CHECK(decoded(PngForm::grey_alpha) == grey(picture));
    }
  for (int bits : {1, 2, 4, 8}) {
    CAPTURE(bits);
    auto palette = decode_image(make_png(picture, {bits, PngForm::palette}), "a.png");
    CHECK(distance(palette, grey(picture)).most <= (255 >> bits) + 1);
    auto few = decode_image(make_png(picture, {bits, PngForm::grey}), "a.png");
    CHECK(few == palette);
  }
}

TEST_CASE("BMP, TGA, GIF and PNM") {
  const Image picture = test_picture(9, 14);
  CHECK(decode_image(make_bmp(picture), "a.bmp") == picture);
  CHECK(decode_image(make_tga(picture, false), "a.tga") == picture);
  CHECK(decode_image(make_tga(picture, true), "a.TGA") == picture);
  CHECK(decode_image(make_pnm(picture, false, 255), "a.ppm") == picture);
  CHECK(decode_image(make_pnm(picture, true, 255), "a.pgm") == grey(picture));
  CHECK(distance(decode_image(make_pnm(picture, false, 65535), "a.ppm"), picture).most <= 1);
  CHECK(distance(decode_image(make_pnm(picture, false, 100), "a.ppm"), picture).most <= 2);
  Image gif = decode_image(make_gif(9, 14), "a.gif");
  CHECK(gif.height == 9);
  CHECK(gif.width == 14);
  for (int i = 0; i < 9 * 14; ++i) {
    CHECK(gif.rgb[size_t(i) * 3] == (i % 3 == 0 ? 200 : 10));
    CHECK(gif.rgb[size_t(i) * 3 + 2] == (i % 3 == 0 ? 220 : 30));
  }
  // The content decides, not the name.
  CHECK(decode_image(make_gif(9, 14), "a.jpg") == gif);
}

TEST_CASE("EXIF orientation is applied") {
  // 2 rows, 3 columns:  a b c / d e f;  what a viewer shows for each tag value.
  const Image stored{2, 3, {'a', 0, 0, 'b', 0, 0, 'c', 0, 0, 'd', 0, 0, 'e', 0, 0, 'f', 0, 0}};
  const char* shown[] = {"abc/def",  "cba/fed",  "fed/cba",  "def/abc",
                         "ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad"};
  for (int tag = 1; tag <= 8; ++tag) {
    CAPTURE(tag);
    Image turned = decode_image(make_png(stored, {.orientation = tag}), "a.png");
    std::string text;
    for (int y = 0; y < turned.height; ++y) {
      if (y) text += '/';
      for (int x = 0; x < turned.width; ++x)
        text += char(turned.rgb[size_t(y * turned.width + x) * 3]);
    }
    CHECK(text == shown[tag - 1]);
  }
  const Image picture = test_picture(30, 50);
  for (int tag = 1; tag <= 8; ++tag)
    for (bool big_endian : {false, true}) {
      CAPTURE(tag);
      JpegForm form{.orientation = tag, .big_endian = big_endian};
      Image turned = decode_image(make_jpeg(picture, form), "a.jpg");
      CHECK(turned == oriented(decode_image(make_jpeg(picture), "a.jpg"), tag));
    }
}

Image square_of(const Image& image, int side) {
  Image square{side, side, std::vector<uint8_t>(size_t(side) * size_t(side) * 3)};
  resize_square(square.rgb.data(), side, image);
  return square;
}

TEST_CASE("a JPEG may be decoded smaller and without its ends, never below what was asked for") {
  const Image picture = test_picture(400, 600);
  auto file = make_jpeg(picture, {.quality = 100});
  struct Case {
    int square, height, width;  // 2 pixels, and half a step of the filter, beyond the square
  };
  for (Case c : {Case{0, 400, 600}, Case{200, 400, 406}, Case{101, 400, 406}, Case{100, 200, 206},
                 Case{26, 100, 106}, Case{25, 50, 57}, Case{1, 50, 75}}) {
    CAPTURE(c.square);
    Image image = decode_image(file, "a.jpg", {}, c.square);
    CHECK(image.height == c.height);
    CHECK(image.width == c.width);
  }
  CHECK(
      distance(square_of(decode_image(file, "a.jpg", {}, 100), 100), square_of(picture, 100)).mean <
      kJpegError);
}

TEST_CASE("the central square of a JPEG is the same without its ends") {
  for (const auto& size : {std::pair(75, 300), {300, 75}, {131, 200}, {200, 131}, {90, 91}}) {
    const int height = size.first, width = size.second;
    for (JpegForm form : {JpegForm{},
                          {.components = 1},
                          {.components = 4},
                          {.progressive = true},
                          {.orientation = 6}}) {
      CAPTURE(height);
      CAPTURE(form.components);
      CAPTURE(form.orientation);
      auto file = make_jpeg(test_picture(height, width), form);
      const Image whole = decode_image(file, "a.jpg");
      for (int square : {38, 60, 75, 200}) {  // none of them is small enough for half the size
        if (std::min(height, width) >= 4 * square) continue;
        CAPTURE(square);
        const Image part = decode_image(file, "a.jpg", {}, square);
        if (std::abs(height - width) > 20 && square > 38) CHECK(part.rgb.size() < whole.rgb.size());
        CHECK(square_of(part, square) == square_of(whole, square));
      }
      // What is damaged beyond the square is damaged.
      CHECK_THROWS_AS(decode_image(cut(file, file.size() - 40), "a.jpg", {}, 60), Error);
    }
  }
}

TEST_CASE("the central square of a JPEG decoded smaller is the same without its ends") {
  for (const auto& size :
       {std::pair(301, 640), {640, 301}, {403, 801}, {801, 403}, {415, 417}, {333, 1000}})
    for (JpegForm form : {JpegForm{}, {.components = 1}, {.progressive = true}}) {
      auto file = make_jpeg(test_picture(size.first, size.second), form);
      int seen = 0;
      for (int square : {75, 70, 37, 36, 33, 18, 16, 1}) {
        CAPTURE(size.first);
        CAPTURE(form.components);
        CAPTURE(form.progressive);
        CAPTURE(square);
        const Image part = decode_image(file, "a.jpg", {}, square);
        int eighths = 1;
        auto shorter = [&] { return (std::min(size.first, size.second) * eighths + 7) / 8; };
        while (eighths < 8 && shorter() != std::min(part.height, part.width)) eighths *= 2;
        REQUIRE(eighths < 8);
        seen |= eighths;
        const Image whole = jpeg_at(file, eighths);
        CHECK(square_of(part, square) == square_of(whole, square));
        if (std::abs(size.first - size.second) > 100 && square > 1)
          CHECK(part.rgb.size() < whole.rgb.size());
      }
      CHECK(seen == (4 | 2 | 1));
    }
}

TEST_CASE("a PNG that we write is the picture") {
  const Image picture = test_picture(33, 17);
  CHECK(decode_image(encode_png(picture), "a.png") == picture);
  TestFolder folder;
  write_png(folder.path() + "/a.png", picture);
  CHECK(read_image(folder.path() + "/a.png") == picture);
  CHECK_THROWS_WITH_AS(write_png(folder.path() + "/no/a.png", picture),
                       doctest::Contains("/no/a.png: cannot be written"), Error);
}

TEST_CASE("resizing") {
  const Image picture = test_picture(64, 48);
  CHECK(resized(picture, 64, 48) == picture);
  Image flat{30, 40, std::vector<uint8_t>(3600, 137)};
  for (auto [h, w] : {std::pair{7, 5}, {1, 1}, {64, 90}})
    CHECK(resized(flat, h, w) == Image{h, w, std::vector<uint8_t>(size_t(h) * size_t(w) * 3, 137)});
  // Halving with a triangle of half-width 2: weights 1 3 3 1 / 8, at the border 3 3 1 / 7.
  Image ramp{1, 8, {}};
  for (int v : {0, 16, 32, 80, 80, 96, 160, 255}) ramp.rgb.insert(ramp.rgb.end(), 3, uint8_t(v));
  Image halved = resized(ramp, 1, 4);
  int expected[] = {(0 * 3 + 16 * 3 + 32 * 1) / 7, (16 + 32 * 3 + 80 * 3 + 80) / 8,
                    (80 + 80 * 3 + 96 * 3 + 160) / 8, (96 + 160 * 3 + 255 * 3) / 7};
  for (int i = 0; i < 4; ++i) CHECK(std::abs(halved.rgb[size_t(i) * 3] - expected[i]) <= 1);
  // Every CPU class gives the same bytes.
  const CpuClass before = cpu_class();
  for (auto [h, w] : {std::pair{1, 1}, {7, 5}, {31, 48}, {100, 101}}) {
    set_cpu_class(CpuClass::plain);
    const Image plain = resized(picture, h, w);
    for (CpuClass c : {CpuClass::avx2, CpuClass::avx512}) {
      if (c > best_cpu_class()) continue;
      set_cpu_class(c);
      CHECK(resized(picture, h, w) == plain);
    }
  }
  set_cpu_class(before);
  // The central square of a wide picture.
  Box box = central_square(Image{10, 30, {}});
  CHECK(box.left == 10);
  CHECK(box.right == 20);
  CHECK(box.top == 0);
  CHECK(box.bottom == 10);
}

TEST_CASE("real photographs decode") {
  std::string photos = real_data("real photographs decode", "photos");
  if (photos.empty()) return;
  int count = 0;
  double same_size = 0, twice = 0;  // how far decoding at a part of the size is from all of it
  for (auto& entry : std::filesystem::directory_iterator(photos)) {
    std::string path = entry.path().string();
    if (!has_image_extension(path)) continue;
    Image full = square_of(read_image(path), 64);
    Image small = read_image(path, {}, 64), larger = read_image(path, {}, 128);
    CHECK(std::min(small.height, small.width) >= 64);
    same_size += distance(full, square_of(small, 64)).mean;
    twice += distance(full, square_of(larger, 64)).mean;
    ++count;
  }
  MESSAGE("mean distance from the whole: ", same_size / count, ", with twice the side ",
          twice / count);
  CHECK(twice < same_size);
  CHECK(count > 0);
}
