#include <cstring>
#include "train/data/image.h"

namespace autodidact {

Image oriented(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const int H = image.height, W = image.width;
  const bool turned = orientation >= 5;  // rows and columns change places
  Image out{turned ? W : H, turned ? H : W, std::vector<uint8_t>(image.rgb.size())};
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      int sy = turned ? x : y, sx = turned ? y : x;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
        sy = H - 1 - sy;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
        sx = W - 1 - sx;
      std::memcpy(out.rgb.data() + (size_t(y) * size_t(out.width) + size_t(x)) * 3,
                  image.rgb.data() + (size_t(sy) * size_t(W) + size_t(sx)) * 3, 3);
    }
  return out;
}

}  // namespace autodidact
