// Tiles of NHWC images, some of their channels, transformed: [36 points][tiles][channels]. Pixels
// outside of the image are zero. Included once per target, as simd-inl.h.
#if defined(AUTODIDACT_KERNELS_WINOGRAD_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AUTODIDACT_KERNELS_WINOGRAD_TILES_INL_H_
#undef AUTODIDACT_KERNELS_WINOGRAD_TILES_INL_H_
#else
#define AUTODIDACT_KERNELS_WINOGRAD_TILES_INL_H_
#endif

#include "kernels/matrix_pack-inl.h"
#include "kernels/parallel.h"
#include "kernels/winograd.h"
#include "kernels/winograd_transforms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// The first n numbers, zeros beyond; nothing beyond is touched. (16-bit masks exist only in
// AVX-512: bf16 goes through a buffer.)
HWY_INLINE Vec load_first(const float* p, int n) {
  return hn::MaskedLoad(hn::FirstN(F32(), size_t(n)), F32(), p);
}
HWY_INLINE Vec load_first(const bf16* p, int n) { return load_n(p, n); }
HWY_INLINE void store_first(Vec v, float* p, int n) {
  hn::BlendedStore(v, hn::FirstN(F32(), size_t(n)), F32(), p);
}
HWY_INLINE void store_first(Vec v, bf16* p, int n) { store_n(v, p, n); }

// Map: InputMap for 6 x 6 pixels around each tile, OutputGradientMap for the tile's own 4 x 4.
// target: [36][last - first][channel_pitch], points point_pitch of that apart; channels beyond
// `channels`, up to a whole vector, are zero.   x: [images, h, w, all_channels], the first wanted
template <class Map, class T>
void transform_tiles(float* target, int channel_pitch, const T* x, int all_channels, int channels,
                     const WinogradTiles& tiles, int64_t first, int64_t last) {
  constexpr int kSide = Map::kIn, kBorder = (kSide - 4) / 2;
  const int64_t points = point_pitch((last - first) * channel_pitch);
  Scratch<T> zeros(padded_columns(channels));
  std::fill(zeros.data(), zeros.data() + padded_columns(channels), T(0.0f));
  for (int64_t t = first; t < last; ++t, target += channel_pitch) {
    const int64_t row = t / tiles.cols, image = row / tiles.rows;
    const int top = int(row % tiles.rows) * 4 - kBorder, left = int(t % tiles.cols) * 4 - kBorder;
    // pixels [y0, y1) x [x0, x1) of the tile lie inside of the image
    const int y0 = std::max(0, -top), y1 = std::min(kSide, tiles.h - top);
    const int x0 = std::max(0, -left), x1 = std::min(kSide, tiles.w - left);
    const T* pixels[kSide][kSide];
    for (int i = 0; i < kSide; ++i) {
      const int64_t row_offset = ((image * tiles.h + top + i) * tiles.w + left) * all_channels;
      const bool inside = i >= y0 && i < y1;
      for (int j = 0; j < kSide; ++j)
        pixels[i][j] =
            inside && j >= x0 && j < x1 ? x + (row_offset + j * all_channels) : zeros.data();
    }
    auto store_point = [&](int c) HWY_ATTR {
      return [=](Vec v, int i, int j)
                 HWY_ATTR { hn::Store(v, F32(), target + c + (i * 6 + j) * points); };
    };
    int c = 0;
    for (; c + kLanes <= channels; c += kLanes)
      map_both_ways<Map>([&](int i, int j) HWY_ATTR { return load(pixels[i][j] + c); },
                         store_point(c));
    if (c < channels)
      map_both_ways<Map>([&](int i, int j)
                             HWY_ATTR { return load_first(pixels[i][j] + c, channels - c); },
                         store_point(c));
  }
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
