// Which convolutions go by Winograd's way.
#include "kernels/winograd.h"
#include <atomic>
#include "kernels/cpu_class.h"

namespace autodidact {

static std::atomic<bool> enabled{true};
bool winograd() { return enabled.load(std::memory_order_relaxed); }
void set_winograd(bool on) { enabled = on; }

// Measured, both classes on one core of a Sapphire Rapids, times the direct sum's speed in the
// forward pass, and the gradients of input and weights:
//   16 x 32 x 32, channels in and out      AVX2               AVX-512
//     8 -> 8                               1.2  1.1  1.2      1.2  1.2  0.8
//     12 -> 12                             1.4  1.5  1.6      1.4  1.4  1.3
//     16 -> 16                             1.5  1.6  1.8      1.3  1.1  1.4
//     32 -> 32                             2.2  2.2  2.6      2.0  2.2  2.4
//   tiles, 512 -> 512: 1                   0.7  0.6  1.4      0.8  0.7  1.0
//     8                                    1.9  1.1  1.8      1.3  1.5  1.8
//     32                                   2.1  2.0  3.0      2.0  2.1  2.6
//   share of the tiles' pixels that exist, 64 -> 64: 25 % (2 x 2 images)
//                                          0.8  0.7  0.8      0.7  0.7  0.7
//     39 % (5 x 5)                         1.0  1.2  1.1      1.0  1.0  1.0
//     56 % (3 x 3)                         1.6  1.4  1.6      1.7  1.6  1.4
// Fewer than 8 tiles would fail the error's bound too: a gradient of weights that adds up 16 or 64
// pixels directly is exact to 2 or 4 more roundings, which the transforms are not (8.9 and 4.4
// times its error, of the 5 that tests/kernels/test_winograd.cpp allows).
bool winograd_pays(const ConvSizes& s) {
  constexpr int kFewestChannels = 12, kFewestTiles = 8;
  if (!winograd() || cpu_class() == CpuClass::plain) return false;
  if (s.kh != 3 || s.kw != 3 || s.stride != 1 || s.padding != 1 || s.dilation != 1) return false;
  const WinogradTiles tiles(s.n, s.h, s.w);
  const int64_t pixels = int64_t(s.n) * s.h * s.w;
  return s.c_in >= kFewestChannels && s.c_out >= kFewestChannels && tiles.count >= kFewestTiles &&
         2 * pixels >= 16 * tiles.count;
}

}  // namespace autodidact
