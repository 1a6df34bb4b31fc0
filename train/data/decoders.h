// What the decoders share: each takes the bytes of one file of its format, checks the declared size
// against the limits before it allocates, and throws DamagedImage with the reason alone;
// decode_image adds the name.
#pragma once
#include <sstream>
#include <stdexcept>
#include "train/data/image_file.h"

namespace autodidact {

struct DamagedImage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Parts>
[[noreturn]] void damaged(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw DamagedImage(text.str());
}

// The declared size is positive and within the limits.
void check_size(int64_t height, int64_t width, const ImageLimits& limits);

// The orientation (1..8) in a TIFF block as EXIF embeds it; 1 where there is none or it is damaged.
int exif_orientation(Bytes tiff);

Image decode_jpeg(Bytes bytes, const ImageLimits& limits, int square);
Image decode_png(Bytes bytes, const ImageLimits& limits);
Image decode_pnm(Bytes bytes, const ImageLimits& limits);
Image decode_stb(Bytes bytes, const ImageLimits& limits);  // BMP, TGA, GIF (its first frame)

}  // namespace autodidact
