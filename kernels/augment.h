// From a batch of uint8 images to the network's input in one pass: padded crop, horizontal flip,
// rotation by quarter turns (in this order: a crop is drawn from the upright image), mean and
// standard deviation. What is drawn for a sample depends on (seed, stream, epoch, sample) alone:
// the same on every device, for any batch or thread.
#pragma once
#include "kernels/philox.h"
#include "kernels/types.h"

namespace autodidact {

enum class Rotation {
  none,
  random,  // one of four a sample; its label is the number of quarter turns
  all      // four outputs a sample, labels 0 1 2 3, of the same crop and flip
};

struct AugmentDraw {
  int top, left;  // of the crop, in the padded image
  bool flip;
  int turns;  // quarter turns counter-clockwise, as numpy.rot90
};

// The per-sample draw. `free_rows` and `free_cols` are height + 2 pad - size and its twin.
HD AugmentDraw draw_augmentation(uint64_t seed, uint32_t stream, uint32_t epoch, uint64_t sample,
                                 int free_rows, int free_cols, bool random_crop, bool random_flip,
                                 bool random_turn) {
  Philox4 r = philox(seed, (uint64_t(stream) << 32) | epoch, sample);
  AugmentDraw d;
  d.top = random_crop ? int(below(r.v[0], uint32_t(free_rows) + 1)) : free_rows / 2;
  d.left = random_crop ? int(below(r.v[1], uint32_t(free_cols) + 1)) : free_cols / 2;
  d.flip = random_flip && (r.v[2] >> 31) != 0;
  d.turns = random_turn ? int(r.v[3] >> 30) : 0;
  return d;
}

struct Pixel {
  int row, col;
};
// Where output pixel (i, j) of a size x size image turned counter-clockwise comes from.
HD Pixel before_turn(int i, int j, int turns, int size) {
  switch (turns) {
    case 1:
      return {j, size - 1 - i};
    case 2:
      return {size - 1 - i, size - 1 - j};
    case 3:
      return {size - 1 - j, i};
    default:
      return {i, j};
  }
}

// y = (image / 255 - mean) / std; outside of the image the value is black: (0 - mean) / std.
// The outputs are samples (Rotation::all: 4 samples, four in a row of each image).
template <class T>
struct Augment {
  T* y;                    // [outputs, size, size, channels]
  int32_t* turns;          // [outputs], or null
  const uint8_t* images;   // [samples, height, width, channels]
  const int64_t* indices;  // [samples]: the sample's number in the data set, its random key
  int samples, height, width, channels;
  int pad, size;          // size <= height + 2 pad, size <= width + 2 pad
  float mean[4], std[4];  // per channel, of images in [0, 1]; channels <= 4
  bool random_crop;       // otherwise the centre
  bool random_flip;
  Rotation rotation;
  uint64_t seed;
  uint32_t stream, epoch;
};

// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of each picture with the one as far from
// the other end of the batch, in place: inside of the box x[n] becomes
// keep x[n] + (1 - keep) x[samples - 1 - n], of both as they were. CutMix: keep = 0.
template <class T>
struct MixPictures {
  T* x;  // [samples, size, size, channels]
  int samples, size, channels;
  int top, bottom, left, right;  // rows [top, bottom), columns [left, right)
  float keep;
};

template <class T>
void run(Cpu, Augment<T>);  // T: float, bf16, double
template <class T>
void run(Cpu, MixPictures<T>);
template <class T>
void run(Cuda, Augment<T>);
template <class T>
void run(Cuda, MixPictures<T>);

}  // namespace autodidact
