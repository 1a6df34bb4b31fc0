// Which input pixels a convolution adds for which output pixels, forward and backward. Both are the
// same sum over taps: output pixel (i, j) of a grid reads input pixel (i * step + dy, j * step +
// dx) for every tap. The forward pass has one grid; the gradient of the input has stride * stride
// of them, since only some taps reach a given pixel of x when the stride is above 1.
#pragma once
#include <algorithm>
#include <vector>
#include "kernels/conv.h"

namespace autodidact {

struct Tap {
  int dy, dx;
  int weight;  // ky * kw + kx
};

struct PixelGrid {
  int rows, cols;  // output pixels of one image
  int first_row, first_col,
      spacing;            // pixel (i, j) is (first_row + i * spacing, ...) of the output
  int step;               // input pixels between neighbours
  std::vector<Tap> taps;  // by dy, then dx; may be empty: the sum is zero
  int min_dy = 0, max_dy = 0, min_dx = 0, max_dx = 0;

  void set_range() {
    if (taps.empty()) return;
    min_dy = max_dy = taps[0].dy, min_dx = max_dx = taps[0].dx;
    for (const Tap& t : taps) {
      min_dy = std::min(min_dy, t.dy), max_dy = std::max(max_dy, t.dy);
      min_dx = std::min(min_dx, t.dx), max_dx = std::max(max_dx, t.dx);
    }
  }
};

inline PixelGrid forward_grid(const ConvSizes& s) {
  PixelGrid g{s.out_h(), s.out_w(), 0, 0, 1, s.stride, {}};
  for (int ky = 0; ky < s.kh; ++ky)
    for (int kx = 0; kx < s.kw; ++kx)
      g.taps.push_back({ky * s.dilation - s.padding, kx * s.dilation - s.padding, ky * s.kw + kx});
  g.set_range();
  return g;
}

// y[oh] reads x[oh * stride - padding + ky * dilation], so x[h] is read by
// oh = (h + padding - ky * dilation) / stride where that is whole; h = first_row + i * stride.
inline std::vector<PixelGrid> backward_grids(const ConvSizes& s) {
  std::vector<PixelGrid> grids;
  for (int py = 0; py < std::min(s.stride, s.h); ++py)
    for (int px = 0; px < std::min(s.stride, s.w); ++px) {
      PixelGrid g{(s.h - py + s.stride - 1) / s.stride,
                  (s.w - px + s.stride - 1) / s.stride,
                  py,
                  px,
                  s.stride,
                  1,
                  {}};
      for (int ky = s.kh - 1; ky >= 0; --ky)
        for (int kx = s.kw - 1; kx >= 0; --kx) {
          int y = py + s.padding - ky * s.dilation, x = px + s.padding - kx * s.dilation;
          if (y % s.stride == 0 && x % s.stride == 0)
            g.taps.push_back({y / s.stride, x / s.stride, ky * s.kw + kx});
        }
      g.set_range();
      grids.push_back(std::move(g));
    }
  return grids;
}

}  // namespace autodidact
