#include "tests/train/damaged_files.h"
#include <algorithm>
#include <stdexcept>
#include <string>

namespace autodidact {
namespace {

Encoded text(const std::string& s) { return {s.begin(), s.end()}; }
Encoded patched(Encoded file, size_t at, std::vector<uint8_t> bytes) {
  std::copy(bytes.begin(), bytes.end(), file.begin() + long(at));
  return file;
}
size_t marker(const Encoded& jpeg, uint8_t code) {  // where FF code stands
  for (size_t i = 2; i + 1 < jpeg.size(); ++i)
    if (jpeg[i] == 0xff && jpeg[i + 1] == code) return i;
  throw std::logic_error("no such marker");
}

}  // namespace

std::vector<DamagedFile> damaged_files() {
  const Image picture = test_picture(48, 64);
  const Encoded jpeg = make_jpeg(picture), progressive = make_jpeg(picture, {.progressive = true}),
                grey = make_jpeg(picture, {.components = 1}), png = make_png(picture),
                bmp = make_bmp(picture), tga = make_tga(picture, false), gif = make_gif(48, 64),
                ppm = make_pnm(picture, false, 255);
  const size_t frame = marker(jpeg, 0xc0), huffman = marker(jpeg, 0xc4);
  return {
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
}

}  // namespace autodidact
