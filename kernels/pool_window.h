// Which inputs an output of a pooling sees, and which outputs see an input.
#pragma once
#include <algorithm>
#include "kernels/pool.h"

namespace autodidact {

// The part of an output's window that lies inside the image: rows [top, bottom), columns [left,
// right).
struct Window {
  int top, bottom, left, right;
};
inline Window window(const PoolShape& s, int oh, int ow) {
  int top = oh * s.stride - s.pad, left = ow * s.stride - s.pad;
  return {std::max(top, 0), std::min(top + s.kernel, s.height), std::max(left, 0),
          std::min(left + s.kernel, s.width)};
}
// The outputs along one axis whose windows hold position i: [first, last).
struct Span {
  int first, last;
};
inline Span outputs_of(int i, int kernel, int stride, int pad, int outputs) {
  int lowest = i + pad - kernel + 1;
  return {lowest <= 0 ? 0 : (lowest + stride - 1) / stride,
          std::min((i + pad) / stride + 1, outputs)};
}

// Input (h, x) in the window of output (oh, ow), row by row.
inline uint8_t position_in_window(const PoolShape& s, int h, int x, int oh, int ow) {
  return uint8_t((h - oh * s.stride + s.pad) * s.kernel + x - ow * s.stride + s.pad);
}

}  // namespace autodidact
