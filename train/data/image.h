// A picture in memory, and the two things data loading does with one: turning it as its EXIF tag
// says, and resizing it with antialiasing.
#pragma once
#include <cstdint>
#include <vector>

namespace autodidact {

struct Image {
  int height = 0, width = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]
  bool operator==(const Image&) const = default;
};

// A rectangle in pixels, edges at pixel borders: the whole image is {0, 0, height, width}.
struct Box {
  double top, left, bottom, right;
};

// EXIF orientation 1..8 (EXIF 2.3, 4.6.4 A): how the stored rows and columns lie in the scene.
Image oriented(Image image, int orientation);

// out [height, width, 3]: the part `box` of `image`, by a triangle filter as wide as the step
// between output pixels (plain bilinear when enlarging). Integer arithmetic: the same bytes
// everywhere, and within 1 of PIL's BILINEAR (decoded photographs: nearly all equal).
void resize(uint8_t* out, int height, int width, const Image& image, Box box);
Image resized(const Image& image, int height, int width);

// The largest one.
Box central_square(const Image& image);
// out [side, side, 3]: the central square, copied where it has that side already.
void resize_square(uint8_t* out, int side, const Image& image);

}  // namespace autodidact
