// Binary PGM (P5) and PPM (P6), 8 and 16 bits. Ours because stb_image 2.27 (Debian 12's) reads the
// bytes of 16-bit samples in the wrong order, ignores the largest value and reads past its buffer
// when it widens 16-bit grey to RGB.
#include "train/data/decoders.h"

namespace autodidact {
namespace {

// The next decimal number of the header: whitespace and comments before it are skipped.
int64_t header_number(Bytes bytes, size_t& at) {
  auto space = [](uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (at < bytes.size() && (space(bytes[at]) || bytes[at] == '#'))
    if (bytes[at++] == '#')
      while (at < bytes.size() && bytes[at] != '\n') ++at;
  int64_t n = 0;
  size_t start = at;
  for (; at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9' && n < 1000000000; ++at)
    n = n * 10 + (bytes[at] - '0');
  if (at == start) damaged("damaged PNM: a number was expected at byte ", at, " of the header");
  return n;
}

}  // namespace

Image decode_pnm(Bytes bytes, const ImageLimits& limits) {
  const size_t channels = bytes[1] == '6' ? 3 : 1;
  size_t at = 2;
  int64_t width = header_number(bytes, at), height = header_number(bytes, at),
          largest = header_number(bytes, at);
  check_size(height, width, limits);
  if (largest < 1 || largest > 65535) damaged("damaged PNM: the largest value is ", largest);
  ++at;  // the one whitespace character after the header
  const size_t depth = largest > 255 ? 2 : 1, values = size_t(height * width) * channels;
  if (at > bytes.size() || bytes.size() - at < values * depth)
    damaged("damaged PNM: data end early, ", values * depth, " bytes were expected after the ", at,
            " of the header, the file has ", bytes.size());

  Image image{int(height), int(width), {}};
  image.rgb.resize(size_t(height * width) * 3);
  for (size_t i = 0; i < values; ++i) {
    const uint8_t* p = bytes.data() + at + i * depth;
    int64_t v = depth == 2 ? p[0] << 8 | p[1] : p[0];
    uint8_t byte = uint8_t((std::min(v, largest) * 255 + largest / 2) / largest);
    for (size_t copy = 0; copy < 3 / channels; ++copy) image.rgb[i * (3 / channels) + copy] = byte;
  }
  return image;
}

}  // namespace autodidact
