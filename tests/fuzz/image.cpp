// libFuzzer: any bytes are a picture or an Error, within the limits. The first byte chooses the
// name's ending (TGA has no magic number) and the scale; the rest is the file.
#include <cstdlib>
#include "engine/check.h"
#include "train/data/image_file.h"

using namespace autodidact;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ImageLimits limits{.side = 1024, .pixels = 1 << 18, .bytes = 1 << 20, .scans = 50};
  const char* name = data[0] & 1 ? "a.tga" : "a.jpg";
  const int square = data[0] & 2 ? data[0] >> 2 : 0;
  try {
    Image image = decode_image({data + 1, size - 1}, name, limits, square);
    bool sound = image.height > 0 && image.width > 0 && image.height <= limits.side &&
                 image.width <= limits.side &&
                 image.rgb.size() == size_t(image.height) * size_t(image.width) * 3;
    if (!sound) std::abort();
    resized(image, 8, 8);
  } catch (const Error& e) {
    if (e.kind != ErrorKind::data) std::abort();
  }
  return 0;
}
