#include "train/data/decoders.h"

namespace autodidact {

// TIFF 6.0, section 2: byte order, 42, offset of the first directory; a directory is a count and
// 12-byte entries (tag, type, count, value).
int exif_orientation(Bytes tiff) {
  constexpr uint32_t kOrientation = 0x0112, kShort = 3;
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  bool little = tiff[0] == 'I';
  auto number = [&](size_t at, size_t bytes) {  // 0 beyond the end
    uint32_t v = 0;
    if (at + bytes > tiff.size()) return v;
    for (size_t i = 0; i < bytes; ++i) v = v << 8 | tiff[at + (little ? bytes - 1 - i : i)];
    return v;
  };
  size_t directory = number(4, 4);
  uint32_t entries = number(directory, 2);
  for (uint32_t e = 0; e < entries; ++e) {
    size_t at = directory + 2 + size_t(e) * 12;
    if (at + 12 > tiff.size()) break;
    if (number(at, 2) != kOrientation) continue;
    uint32_t value = number(at + 8, 2);
    return number(at + 2, 2) == kShort && value >= 1 && value <= 8 ? int(value) : 1;
  }
  return 1;
}

}  // namespace autodidact
