// Winograd's convolution F(4x4, 3x3) for kernels of 3 x 3, stride 1, padding 1, in all three
// passes: 36 products a tile of 4 x 4 outputs in place of 144 (kernels/winograd_transforms-inl.h).
// bf16 is widened by the first transform and rounded after the last: what lies between is f32.
// run(Cpu, Conv...) in conv_pixels.cpp and conv_weights.cpp asks winograd_pays.
#pragma once
#include <algorithm>
#include "kernels/conv.h"

namespace autodidact {

// On by default. Off: every convolution is the direct sum. Not while kernels run.
bool winograd();
void set_winograd(bool on);

// Whether all three passes of these sizes take it: winograd(), a SIMD class, and the shape. The
// rule stands in winograd.cpp.
bool winograd_pays(const ConvSizes&);

// T: float or bf16. Not for the plain class: it is the definition.
template <class T>
void run_winograd(const ConvForward<T>&);
template <class T>
void run_winograd(const ConvBackwardData<T>&);
template <class T>
void run_winograd(const ConvBackwardWeights<T>&);  // without dbias

inline constexpr int kWinogradPoints = 36;

// Tiles of all images, in order; 4 x 4 pixels each, the last of a row or column less.
struct WinogradTiles {
  int images, h, w, rows, cols;
  int64_t count;
  WinogradTiles(int n, int height, int width)
      : images(n),
        h(height),
        w(width),
        rows((height + 3) / 4),
        cols((width + 3) / 4),
        count(int64_t(n) * rows * cols) {}
};

// Floats from one point's numbers to the next's: beyond the numbers themselves a line, so that the
// 36 that belong together do not all fall on the same sets of the cache.
inline int64_t point_pitch(int64_t floats) { return (floats + 15) / 16 * 16 + 16; }

}  // namespace autodidact
