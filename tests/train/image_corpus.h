// Pictures for the tests, encoded in every way that the decoders must take or refuse, and folders
// to put them in.
#pragma once
#include <cstdint>
#include <string>
#include <vector>
#include "train/data/bytes.h"
#include "train/data/image.h"

namespace autodidact {

using Encoded = std::vector<uint8_t>;

// A smooth colourful picture; every seed another one.
Image test_picture(int height, int width, uint32_t seed = 1);

struct JpegForm {
  int components = 3;  // 1 grey, 3 colour, 4 CMYK (as Adobe stores it: inverted; YCCK with `ycck`)
  bool ycck = false, progressive = false;
  int orientation = 0;  // 1..8: an EXIF tag
  bool big_endian = false;
  int quality = 95;
};
Encoded make_jpeg(const Image& image, const JpegForm& form = {});

// All of a JPEG at eighths/8 of its size, by libjpeg alone; grey or colour.
Image jpeg_at(const Encoded& file, int eighths);

struct PngForm {
  int bits = 8;  // 1, 2, 4, 8, 16
  enum { grey, grey_alpha, rgb, rgba, palette } colour = rgb;
  bool interlaced = false;
  int orientation = 0;
};
Encoded make_png(const Image& image, const PngForm& form = {});

Encoded make_bmp(const Image& image);             // 24 bits
Encoded make_tga(const Image& image, bool runs);  // 24 bits, runs: run-length encoded
Encoded make_gif(int height, int width);          // 2 colours, LZW without compression
Encoded make_pnm(const Image& image, bool grey, int largest);

// A tar archive of these files: (name, content). A name of more than 100 bytes is written as GNU's,
// or with `pax` as POSIX's, long name.
Encoded make_tar(const std::vector<std::pair<std::string, Encoded>>& files, bool pax = false);

// The first `bytes` bytes.
Encoded cut(Encoded file, size_t bytes);

// How far two pictures of one size are apart, at most and on average over all values.
struct Distance {
  int most;
  double mean;
};
Distance distance(const Image& a, const Image& b);

// A folder for one test, removed at its end.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::string& path() const { return path_; }
  // Writes a file, and the folders above it; returns its path.
  std::string add(const std::string& name, Bytes bytes) const;

 private:
  std::string path_;
};

}  // namespace autodidact
