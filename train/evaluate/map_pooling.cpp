#include "train/evaluate/map_pooling.h"
#include <algorithm>
#include "kernels/parallel.h"

namespace autodidact {

int grid_for(const Shape& map, int most_grid, int most_dims) {
  if (map.rank() == 2) return 1;
  check(map.rank() == 4, "features: a block's output must be [N, H, W, C] or [N, C], got ", map);
  int grid = std::min({most_grid, map[1], map[2]});
  while (grid > 1 && int64_t(grid) * grid * map[3] > most_dims) --grid;
  return std::max(grid, 1);
}

void average_to_grid(float* y, int64_t y_stride, const Tensor& x, int grid) {
  const bool map = x.shape.rank() == 4;
  const int height = map ? x.shape[1] : 1, width = map ? x.shape[2] : 1, channels = x.shape.back();
  const float* p = ptr<float>(x);
  auto first = [&](int cell, int side) { return cell * side / grid; };
  auto last = [&](int cell, int side) { return ((cell + 1) * side + grid - 1) / grid; };
  parallel_for(x.shape[0], 4, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      for (int gy = 0; gy < grid; ++gy)
        for (int gx = 0; gx < grid; ++gx) {
          float* cell = y + n * y_stride + int64_t(gy * grid + gx) * channels;
          std::fill_n(cell, channels, 0.0f);
          const int top = first(gy, height), bottom = last(gy, height);
          const int left = first(gx, width), right = last(gx, width);
          for (int i = top; i < bottom; ++i)
            for (int j = left; j < right; ++j) {
              const float* pixel = p + ((n * height + i) * width + j) * channels;
              for (int c = 0; c < channels; ++c) cell[c] += pixel[c];
            }
          const float scale = 1 / float((bottom - top) * (right - left));
          for (int c = 0; c < channels; ++c) cell[c] *= scale;
        }
  });
}

}  // namespace autodidact
