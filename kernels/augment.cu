// Augmentation on CUDA: one block for each output image, its threads over the pixels.
#include "kernels/augment.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void augment_kernel(Augment<T> p) {
  int output = int(blockIdx.x);
  int sample = p.rotation == Rotation::all ? output / 4 : output;
  AugmentDraw d = draw_augmentation(p.seed, p.stream, p.epoch, uint64_t(p.indices[sample]),
                                    p.height + 2 * p.pad - p.size, p.width + 2 * p.pad - p.size,
                                    p.random_crop, p.random_flip, p.rotation == Rotation::random);
  if (p.rotation == Rotation::all) d.turns = output % 4;
  if (p.turns && threadIdx.x == 0) p.turns[output] = d.turns;

  const uint8_t* image = p.images + int64_t(sample) * p.height * p.width * p.channels;
  T* y = p.y + int64_t(output) * p.size * p.size * p.channels;
  for (int pixel = int(threadIdx.x); pixel < p.size * p.size; pixel += int(blockDim.x)) {
    Pixel from = before_turn(pixel / p.size, pixel % p.size, d.turns, p.size);
    int row = d.top + from.row - p.pad;
    int col = d.left + (d.flip ? p.size - 1 - from.col : from.col) - p.pad;
    bool inside = row >= 0 && row < p.height && col >= 0 && col < p.width;
    for (int c = 0; c < p.channels; ++c) {
      float v = inside ? float(image[(int64_t(row) * p.width + col) * p.channels + c]) : 0.0f;
      y[pixel * p.channels + c] = T((v / 255.0f - p.mean[c]) / p.std[c]);
    }
  }
}

}  // namespace

template <class T>
void run(Cuda queue, Augment<T> p) {
  int outputs = p.rotation == Rotation::all ? 4 * p.samples : p.samples;
  if (outputs > 0) launch(queue, unsigned(outputs), kThreads, 0, augment_kernel<T>, p);
}

template void run(Cuda, Augment<float>);
template void run(Cuda, Augment<bf16>);

}  // namespace autodidact
