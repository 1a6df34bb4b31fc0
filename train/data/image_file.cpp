#include "train/data/image_file.h"
#include <algorithm>
#include <array>
#include <string_view>
#include "engine/check.h"
#include "train/data/decoders.h"
#include "train/data/names.h"

namespace autodidact {
namespace {

std::string extension(const std::string& path) {  // lower case, without the dot
  size_t slash = path.find_last_of('/'), dot = path.find_last_of('.');
  if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) return "";
  std::string e = path.substr(dot + 1);
  for (char& c : e)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return e;
}

bool starts(Bytes bytes, std::string_view magic, size_t at = 0) {
  return bytes.size() >= at + magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin() + std::ptrdiff_t(at),
                    [](char a, uint8_t b) { return uint8_t(a) == b; });
}

// The name of a format that we know but do not read.
const char* foreign_format(Bytes bytes) {
  using namespace std::literals;
  if (starts(bytes, "RIFF") && starts(bytes, "WEBP", 8)) return "WebP";
  if (starts(bytes, "II*\0"sv) || starts(bytes, "MM\0*"sv)) return "TIFF";
  if (starts(bytes, "ftypavif", 4)) return "AVIF";
  if (starts(bytes, "ftyphei", 4) || starts(bytes, "ftypmif1", 4)) return "HEIC";
  if (starts(bytes, "\xff\x0a") || starts(bytes, "JXL ", 4)) return "JPEG XL";
  if (starts(bytes, "\0\0\0\x0cjP  "sv)) return "JPEG 2000";
  if (starts(bytes, "8BPS")) return "Photoshop";
  if (starts(bytes, "<svg") || starts(bytes, "<?xml")) return "SVG";
  if (bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7')
    return "PNM variant (P5 and P6 are read)";
  return nullptr;
}

Image decode(Bytes bytes, const std::string& name, const ImageLimits& limits, int square) {
  if (bytes.empty()) damaged("the file is empty (0 bytes)");
  if (int64_t(bytes.size()) > limits.bytes)
    damaged("the file has ", bytes.size(), " bytes, the limit is ", limits.bytes);
  if (starts(bytes, "\xff\xd8\xff")) return decode_jpeg(bytes, limits, square);
  if (starts(bytes, "\x89PNG\r\n\x1a\n")) return decode_png(bytes, limits);
  if (starts(bytes, "P5") || starts(bytes, "P6")) return decode_pnm(bytes, limits);
  if (starts(bytes, "GIF87a") || starts(bytes, "GIF89a") || starts(bytes, "BM"))
    return decode_stb(bytes, limits);
  if (const char* format = foreign_format(bytes))
    damaged("is a ", format, " file; convert it to JPEG or PNG");
  if (extension(name) == "tga") return decode_stb(bytes, limits);  // TGA has no magic number
  damaged("is not an image: its first bytes are those of no known format");
}

}  // namespace

void check_size(int64_t height, int64_t width, const ImageLimits& limits) {
  if (height < 1 || width < 1) damaged("the picture has ", width, " x ", height, " pixels");
  if (height > limits.side || width > limits.side)
    damaged("the picture has ", width, " x ", height, " pixels, the limit is ", limits.side,
            " a side");
  if (height * width > limits.pixels)
    damaged("the picture has ", height * width, " pixels, the limit is ", limits.pixels);
}

Image decode_image(Bytes bytes, const std::string& name, const ImageLimits& limits, int square) {
  try {
    return decode(bytes, name, limits, square);
  } catch (const DamagedImage& e) { fail(ErrorKind::data, printable(name), ": ", e.what()); }
}

Image read_image(const std::string& path, const ImageLimits& limits, int square) {
  return decode_image(read_bytes(path, limits.bytes), path, limits, square);
}

bool has_image_extension(const std::string& path) {
  static constexpr std::array kKnown = {"jpg", "jpeg", "png", "bmp", "ppm",
                                        "pgm", "pnm",  "tga", "gif"};
  return std::find(kKnown.begin(), kKnown.end(), extension(path)) != kKnown.end();
}

void write_png(const std::string& path, const Image& image) {
  write_quickly(path, encode_png(image));
}

}  // namespace autodidact
