// Augmentation on CUDA: one block for each output image or pair of them, its threads over the
// numbers that are written, 16 bytes at a time where the image's size allows it. What is read has
// no neighbours in order where the picture is flipped or turned.
#include "kernels/augment.h"
#include "kernels/pack.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256;

// v[c]. An index that the compiler does not know would bring all arguments into local memory.
__device__ __forceinline__ float of_channel(const float (&v)[4], int c) {
  return c < 2 ? (c == 0 ? v[0] : v[1]) : (c == 2 ? v[2] : v[3]);
}

template <int N, class T>
__global__ void augment_kernel(Augment<T> p) {
  int output = int(blockIdx.x);
  int sample = p.rotation == Rotation::all ? output / 4 : output;
  AugmentDraw d = draw_augmentation(p.seed, p.stream, p.epoch, uint64_t(p.indices[sample]),
                                    p.height + 2 * p.pad - p.size, p.width + 2 * p.pad - p.size,
                                    p.random_crop, p.random_flip, p.rotation == Rotation::random);
  if (p.rotation == Rotation::all) d.turns = output % 4;
  if (p.turns && threadIdx.x == 0) p.turns[output] = d.turns;

  const uint8_t* image = p.images + int64_t(sample) * p.height * p.width * p.channels;
  const int numbers = p.size * p.size * p.channels;
  T* y = p.y + int64_t(output) * numbers;
  auto source = [&](int pixel) -> const uint8_t* {  // null outside of the image
    Pixel from = before_turn(pixel / p.size, pixel % p.size, d.turns, p.size);
    int row = d.top + from.row - p.pad;
    int col = d.left + (d.flip ? p.size - 1 - from.col : from.col) - p.pad;
    bool inside = row >= 0 && row < p.height && col >= 0 && col < p.width;
    return inside ? image + (int64_t(row) * p.width + col) * p.channels : nullptr;
  };
  for (int first = int(threadIdx.x) * N; first < numbers; first += kThreads * N) {
    Pack<N, T> out;
    int pixel = first / p.channels, c = first % p.channels;
    const uint8_t* from = source(pixel);
    for (int k = 0; k < N; ++k) {
      float v = from ? float(from[c]) : 0.0f;
      out.v[k] = T((v / 255.0f - of_channel(p.mean, c)) / of_channel(p.std, c));
      if (++c < p.channels) continue;
      c = 0;
      if (k + 1 < N) from = source(++pixel);
    }
    store(y + first, out);
  }
}

// A block a pair of pictures.
template <int N, class T>
__global__ void mix_pictures_kernel(MixPictures<T> p) {
  const float rest = 1 - p.keep;
  const int row = p.size * p.channels, numbers = p.size * row;
  T* a = p.x + int64_t(blockIdx.x) * numbers;
  T* b = p.x + int64_t(p.samples - 1 - int(blockIdx.x)) * numbers;
  for (int first = int(threadIdx.x) * N; first < numbers; first += kThreads * N) {
    Pack<N, T> x = load<N>(a + first), y = load<N>(b + first);
    for (int k = 0; k < N; ++k) {
      const int i = (first + k) / row, j = (first + k) % row / p.channels;
      if (i < p.top || i >= p.bottom || j < p.left || j >= p.right) continue;
      const float own = float(x.v[k]), other = float(y.v[k]);
      x.v[k] = T(p.keep * own + rest * other), y.v[k] = T(p.keep * other + rest * own);
    }
    store(a + first, x), store(b + first, y);
  }
}

}  // namespace

template <class T>
void run(Cuda queue, Augment<T> p) {
  int outputs = p.rotation == Rotation::all ? 4 * p.samples : p.samples;
  if (outputs == 0) return;
  bool packs = aligned(p.y) && p.size * p.size * p.channels % kPack<T> == 0;
  choose_pack<kPack<T>>(packs, [&](auto pack) {
    launch(queue, unsigned(outputs), kThreads, 0, augment_kernel<pack(), T>, p);
  });
}

template <class T>
void run(Cuda queue, MixPictures<T> p) {
  if (p.samples < 2) return;
  bool packs = aligned(p.x) && p.size * p.size * p.channels % kPack<T> == 0;
  choose_pack<kPack<T>>(packs, [&](auto pack) {
    launch(queue, unsigned(p.samples / 2), kThreads, 0, mix_pictures_kernel<pack(), T>, p);
  });
}

#define INSTANCES(T)                   \
  template void run(Cuda, Augment<T>); \
  template void run(Cuda, MixPictures<T>);
INSTANCES(float)
INSTANCES(bf16)
#undef INSTANCES

}  // namespace autodidact
