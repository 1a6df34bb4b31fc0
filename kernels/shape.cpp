// Moves are bound by memory and round nothing: one body serves every class and type.
#include "kernels/shape.h"
#include <algorithm>
#include "kernels/parallel.h"

namespace autodidact {
namespace {
constexpr int kTile = 32;  // a tile of both sides of a transpose stays in the first-level cache
constexpr int64_t kChunk = 1 << 14;
int64_t rows_grain(int64_t cols) {
  return std::max<int64_t>(1, kChunk / std::max<int64_t>(cols, 1));
}
}  // namespace

template <class T>
void run(Cpu, Transpose<T> p) {
  int64_t bands = chunk_count(p.rows, kTile);
  parallel_for(p.batch * bands, 1, [=](int64_t band, int64_t) {
    int64_t b = band / bands, first = band % bands * kTile,
            last = std::min<int64_t>(first + kTile, p.rows);
    const T* x = p.x + b * p.rows * p.cols;
    T* y = p.y + b * p.rows * p.cols;
    for (int c0 = 0; c0 < p.cols; c0 += kTile)
      for (int c = c0; c < std::min(c0 + kTile, p.cols); ++c)
        for (int64_t r = first; r < last; ++r) y[int64_t(c) * p.rows + r] = x[r * p.cols + c];
  });
}

template <class T>
void run(Cpu, CopyColumns<T> p) {
  parallel_for(p.rows, rows_grain(p.cols), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      std::copy_n(p.x + r * p.x_stride, p.cols, p.y + r * p.y_stride);
  });
}

template <class T>
void run(Cpu, PadColumns<T> p) {
  // Columns of y that hold x; the rest is zero. before may be negative: x is then cut.
  int first = std::clamp(p.before, 0, p.y_cols),
      last = std::clamp(p.before + p.x_cols, first, p.y_cols);
  parallel_for(p.rows, rows_grain(p.y_cols), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      T* y = p.y + r * p.y_cols;
      std::fill(y, y + first, T(0.0f));
      std::copy_n(p.x + r * p.x_cols + (first - p.before), last - first, y + first);
      std::fill(y + last, y + p.y_cols, T(0.0f));
    }
  });
}

#define INSTANCES(T)                      \
  template void run(Cpu, Transpose<T>);   \
  template void run(Cpu, CopyColumns<T>); \
  template void run(Cpu, PadColumns<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
