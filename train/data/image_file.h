// Image files: JPEG (libjpeg-turbo), PNG (libpng), PNM (ours), BMP, TGA and GIF (stb_image), told
// apart by content, not by name. Whatever is stored (grey, palette, alpha, CMYK, 16 bits,
// interlaced, EXIF-turned) comes out as 8-bit RGB, upright. Alpha is dropped and colour profiles
// are ignored, as PIL's convert("RGB") does. A file that is damaged, or whose data end early, is an
// error: never a half-grey picture.
#pragma once
#include <string>
#include "train/data/bytes.h"
#include "train/data/image.h"

namespace autodidact {

// What a file may ask of us. The defaults hold a picture under 192 MiB.
struct ImageLimits {
  int side = 16384;                    // pixels
  int64_t pixels = int64_t(64) << 20;  // height * width
  int64_t bytes = int64_t(64) << 20;   // of the file
  int scans = 500;                     // of a progressive JPEG
};

// square > 0: all that is wanted is the central square, resized to this many pixels a side. So a
// JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as twice as many are left, which looks
// like the whole resized, and without what lies beside the square; image.h's central_square finds
// the same one in it.
// Errors are ErrorKind::data, "NAME: reason".
Image decode_image(Bytes bytes, const std::string& name, const ImageLimits& limits = {},
                   int square = 0);
Image read_image(const std::string& path, const ImageLimits& limits = {}, int square = 0);

// jpg jpeg png bmp ppm pgm pnm tga gif, in any case.
bool has_image_extension(const std::string& path);

// As PIL saves it: baseline, chroma at half the resolution. quality: 1 to 100.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality);
std::vector<uint8_t> encode_png(const Image& image);
void write_png(const std::string& path, const Image& image);

}  // namespace autodidact
