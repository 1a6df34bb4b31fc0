#include "models/vit.h"
#include <algorithm>
#include <array>

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

// The weights of four neighbours, the second and third of which lie on either side.
static std::array<double, 4> cubic(double t) {
  constexpr double a = -0.75;
  auto near = [](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
  auto far = [](double x) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(1 + t), near(t), near(1 - t), far(2 - t)};
}

// The side of a square grid of this many tokens, and whether a class token comes before it.
static std::pair<int, int> grid_of(int tokens) {
  for (int prefix : {0, 1}) {
    const int side = int(std::lround(std::sqrt(double(tokens - prefix))));
    if (side >= 1 && side * side == tokens - prefix) return {side, prefix};
  }
  fail(ErrorKind::checkpoint, "positions: must be of a square grid, got ", tokens);
}

Tensor interpolated_positions(const Tensor& pos, int tokens) {
  auto [from, prefix] = grid_of(pos.shape[1]);
  auto [to, prefix_to] = grid_of(tokens);
  check(prefix == prefix_to, "positions: both grids must have a class token, or none");
  const int C = pos.shape[2];
  Tensor y = zeros({1, tokens, C});
  const float* x = ptr<const float>(pos);
  std::copy_n(x, prefix * C, ptr<float>(y));
  for (int r = 0; r < to; ++r)
    for (int c = 0; c < to; ++c) {
      const double y_at = (r + 0.5) * from / to - 0.5, x_at = (c + 0.5) * from / to - 0.5;
      const int top = int(std::floor(y_at)), left = int(std::floor(x_at));
      const auto down = cubic(y_at - top), across = cubic(x_at - left);
      float* out = ptr<float>(y) + (prefix + r * to + c) * C;
      for (int k = 0; k < C; ++k) {
        double sum = 0;
        for (int i = 0; i < 4; ++i)
          for (int j = 0; j < 4; ++j) {
            const int row = std::clamp(top - 1 + i, 0, from - 1);
            const int col = std::clamp(left - 1 + j, 0, from - 1);
            sum += down[size_t(i)] * across[size_t(j)] *
                   double(x[(prefix + row * from + col) * C + k]);
          }
        out[k] = float(sum);
      }
    }
  return y;
}

}  // namespace autodidact
