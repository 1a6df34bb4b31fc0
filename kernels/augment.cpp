#include "kernels/augment.h"
#include <algorithm>
#include "kernels/parallel.h"

namespace autodidact {

namespace {

// Pixels `step` bytes apart; every byte is looked up in its channel's 256 values.
template <int C, class T>
T* look_up(T* y, const uint8_t* from, int64_t step, int pixels, const T* table) {
  for (int j = 0; j < pixels; ++j, from += step, y += C)
    for (int c = 0; c < C; ++c) y[c] = table[256 * c + from[c]];
  return y;
}

template <int C, class T>
T* black(T* y, int pixels, const T* table) {
  for (int j = 0; j < pixels; ++j, y += C)
    for (int c = 0; c < C; ++c) y[c] = table[256 * c];
  return y;
}

// One output of a sample. A step to the right in it is one step along a row or a column of the
// upright crop, so what of an output row lies inside of the image is one run of pixels.
template <int C, class T>
void write_output(const Augment<T>& p, T* y, const uint8_t* image, const AugmentDraw& d, int turns,
                  const T* table) {
  for (int i = 0; i < p.size; ++i) {
    Pixel start = before_turn(i, 0, turns, p.size), next = before_turn(i, 1, turns, p.size);
    int row = start.row + d.top - p.pad, row_step = next.row - start.row;
    int col = start.col, col_step = next.col - start.col;
    if (d.flip) col = p.size - 1 - col, col_step = -col_step;
    col += d.left - p.pad;
    const bool along_row = col_step != 0;
    const int at = along_row ? col : row, step = along_row ? col_step : row_step;
    const int length = along_row ? p.width : p.height;
    const bool meets =
        along_row ? unsigned(row) < unsigned(p.height) : unsigned(col) < unsigned(p.width);
    // 0 <= at + j step < length
    int begin = step > 0 ? -at : at - (length - 1), end = step > 0 ? length - at : at + 1;
    begin = meets ? std::clamp(begin, 0, p.size) : p.size;
    end = std::clamp(end, begin, p.size);
    const int64_t bytes = (int64_t(row_step) * p.width + col_step) * C;
    const int64_t first = (int64_t(row) * p.width + col) * C + begin * bytes;
    y = black<C>(y, begin, table);
    y = look_up<C>(y, image + (begin < end ? first : 0), bytes, end - begin, table);
    y = black<C>(y, p.size - end, table);
  }
}

}  // namespace

// Every value of a byte is normalised once; the pixels are then a table look-up, which is exact,
// the same on every CPU class, and faster than arithmetic.
template <class T>
void run(Cpu, Augment<T> p) {
  using A = Acc<T>;
  Scratch<T> value(256 * p.channels);  // [channels, 256]
  for (int c = 0; c < p.channels; ++c)
    for (int v = 0; v < 256; ++v)
      value[256 * c + v] = T((A(v) / A(255) - A(p.mean[c])) / A(p.std[c]));
  const int copies = p.rotation == Rotation::all ? 4 : 1;
  constexpr decltype(&write_output<1, T>) kOutputOf[] = {&write_output<1, T>, &write_output<2, T>,
                                                         &write_output<3, T>, &write_output<4, T>};
  const auto write = kOutputOf[p.channels - 1];
  parallel_for(p.samples, 1, [&](int64_t n, int64_t) {
    AugmentDraw d = draw_augmentation(p.seed, p.stream, p.epoch, uint64_t(p.indices[n]),
                                      p.height + 2 * p.pad - p.size, p.width + 2 * p.pad - p.size,
                                      p.random_crop, p.random_flip, p.rotation == Rotation::random);
    const uint8_t* image = p.images + n * p.height * p.width * p.channels;
    for (int k = 0; k < copies; ++k) {
      int turns = p.rotation == Rotation::all ? k : d.turns;
      int64_t output = n * copies + k;
      if (p.turns) p.turns[output] = turns;
      write(p, p.y + output * p.size * p.size * p.channels, image, d, turns, value.data());
    }
  });
}

template <class T>
void run(Cpu, MixPictures<T> p) {
  using A = Acc<T>;
  const A keep = A(p.keep), rest = A(1) - keep;
  const int64_t row = int64_t(p.size) * p.channels, picture = row * p.size;
  parallel_for(p.samples / 2, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      for (int i = p.top; i < p.bottom; ++i) {
        T *a = p.x + n * picture + i * row, *b = p.x + (p.samples - 1 - n) * picture + i * row;
        for (int j = p.left * p.channels; j < p.right * p.channels; ++j) {
          const A own = A(a[j]), other = A(b[j]);
          a[j] = T(keep * own + rest * other), b[j] = T(keep * other + rest * own);
        }
      }
  });
}

#define INSTANCES(T)                  \
  template void run(Cpu, Augment<T>); \
  template void run(Cpu, MixPictures<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)
#undef INSTANCES

}  // namespace autodidact
