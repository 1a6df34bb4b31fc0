#include "kernels/augment.h"
#include "kernels/parallel.h"

namespace autodidact {

// Every value of a byte is normalised once; the pixels are then a table look-up, which is exact,
// the same on every CPU class, and faster than arithmetic.
template <class T>
void run(Cpu, Augment<T> p) {
  using A = Acc<T>;
  Scratch<T> value(256 * p.channels);  // [256, channels]
  for (int v = 0; v < 256; ++v)
    for (int c = 0; c < p.channels; ++c)
      value[v * p.channels + c] = T((A(v) / A(255) - A(p.mean[c])) / A(p.std[c]));
  const int size = p.size, C = p.channels;
  const int copies = p.rotation == Rotation::all ? 4 : 1;
  const T* table = value.data();
  parallel_for(p.samples, 1, [&](int64_t n, int64_t) {
    AugmentDraw d = draw_augmentation(p.seed, p.stream, p.epoch, uint64_t(p.indices[n]),
                                      p.height + 2 * p.pad - size, p.width + 2 * p.pad - size,
                                      p.random_crop, p.random_flip, p.rotation == Rotation::random);
    const uint8_t* image = p.images + n * p.height * p.width * C;
    for (int k = 0; k < copies; ++k) {
      int turns = p.rotation == Rotation::all ? k : d.turns;
      int64_t output = n * copies + k;
      if (p.turns) p.turns[output] = turns;
      T* y = p.y + output * size * size * C;
      // A step to the right in the output is one step along a row or column of the upright crop.
      for (int i = 0; i < size; ++i) {
        Pixel start = before_turn(i, 0, turns, size), next = before_turn(i, 1, turns, size);
        int row = start.row + d.top - p.pad, col = start.col, row_step = next.row - start.row;
        int col_step = next.col - start.col;
        if (d.flip) col = size - 1 - col, col_step = -col_step;
        col += d.left - p.pad;
        for (int j = 0; j < size; ++j, row += row_step, col += col_step, y += C) {
          bool inside = unsigned(row) < unsigned(p.height) && unsigned(col) < unsigned(p.width);
          const uint8_t* pixel = image + (int64_t(row) * p.width + col) * C;
          for (int c = 0; c < C; ++c) y[c] = table[(inside ? pixel[c] : 0) * C + c];
        }
      }
    }
  });
}

template void run(Cpu, Augment<float>);
template void run(Cpu, Augment<bf16>);
template void run(Cpu, Augment<double>);

}  // namespace autodidact
