// BMP, TGA and GIF by stb_image; its JPEG, PNG and PNM decoders are compiled out (Debian 12's
// version writes out of bounds on damaged JPEGs). stb reads zeros beyond the end of a file without
// saying so, so it reads through callbacks that notice.
#include <algorithm>
#include <cstring>
#include <memory>
#include "train/data/decoders.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_ONLY_GIF
#define STBI_NO_STDIO
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace autodidact {
namespace {

constexpr int kBuffer = 128;  // stb's: a read of this size is a refill and may come back short

struct Source {
  Bytes bytes;
  size_t at = 0;
  bool past_end = false;

  static int read(void* user, char* to, int size) {
    auto& s = *static_cast<Source*>(user);
    size_t n = std::min(size_t(size), s.bytes.size() - s.at);
    if (n == 0 || (n < size_t(size) && size != kBuffer)) s.past_end = true;
    if (n > 0) std::memcpy(to, s.bytes.data() + s.at, n);
    s.at += n;
    return int(n);
  }
  static void skip(void* user, int size) {
    auto& s = *static_cast<Source*>(user);
    if (size < 0 || size_t(size) > s.bytes.size() - s.at) s.past_end = true;
    else s.at += size_t(size);
  }
  static int end(void* user) {
    auto& s = *static_cast<Source*>(user);
    return s.at >= s.bytes.size();
  }
};

const stbi_io_callbacks kCallbacks = {Source::read, Source::skip, Source::end};

struct Free {
  void operator()(stbi_uc* p) const { stbi_image_free(p); }
};

}  // namespace

Image decode_stb(Bytes bytes, const ImageLimits& limits) {
  int width = 0, height = 0, channels = 0;
  Source header{bytes};
  if (!stbi_info_from_callbacks(&kCallbacks, &header, &width, &height, &channels))
    damaged("damaged image: ", stbi_failure_reason());
  check_size(height, width, limits);

  Source source{bytes};
  std::unique_ptr<stbi_uc, Free> pixels(
      stbi_load_from_callbacks(&kCallbacks, &source, &width, &height, &channels, 3));
  if (!pixels) damaged("damaged image: ", stbi_failure_reason());
  if (source.past_end) damaged("damaged image: data end early");
  check_size(height, width, limits);
  const size_t values = size_t(height) * size_t(width) * 3;
  return {height, width, {pixels.get(), pixels.get() + values}};
}

}  // namespace autodidact
