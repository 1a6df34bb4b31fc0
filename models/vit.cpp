#include "models/vit.h"

namespace autodidact {

Tensor sincos_positions(int rows, int cols, int channels, int prefix) {
  check(channels % 4 == 0, "positions: channels must be a multiple of 4, got ", channels);
  Tensor pos = zeros({1, prefix + rows * cols, channels});
  const int quarter = channels / 4;
  float* p = ptr<float>(pos) + prefix * channels;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c, p += channels)
      for (int i = 0; i < quarter; ++i) {
        const double omega = std::pow(10000.0, -double(i) / quarter);
        p[i] = float(std::sin(c * omega)), p[quarter + i] = float(std::cos(c * omega));
        p[2 * quarter + i] = float(std::sin(r * omega));
        p[3 * quarter + i] = float(std::cos(r * omega));
      }
  return pos;
}

}  // namespace autodidact
