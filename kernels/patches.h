// What a masked autoencoder (He et al. 2022) does with patches of pixels: draw which stay visible,
// gather those, and compare the others with what was rebuilt. A patch is a vector of size x size
// pixels, (row, column, channel); patches are numbered row by row.
// On CUDA the loss needs a workspace (device_scratch.h): 4 bytes a patch.
#pragma once
#include "kernels/philox.h"
#include "kernels/types.h"

namespace autodidact {

// The random key of a patch; those with the smallest keys stay visible. It depends on (seed,
// stream, epoch, index) alone: the same on every device.
inline constexpr int kMostPatches = 1 << 16;
HD uint32_t patch_key(uint64_t seed, uint32_t stream, uint32_t epoch, int64_t index, int patch) {
  Philox4 r = philox(seed, (uint64_t(stream) << 32) | epoch,
                     (uint64_t(index) << 14) | uint64_t(patch >> 2));
  return r.v[patch & 3];
}

struct DrawMask {
  int32_t* visible;            // [samples, kept]: the patches that stay, in their order
  int32_t* place;              // [samples, patches]: a patch's place in visible; -1: it is hidden
  const int64_t* indices;      // [samples]: random keys, the samples' numbers in the data set
  int samples, patches, kept;  // kept <= patches <= kMostPatches
  uint64_t seed;
  uint32_t stream, epoch;
};

struct PatchSizes {
  int samples, height, width, channels;  // height and width are multiples of size
  int size;                              // pixels a side of a patch
  HD int across() const { return width / size; }
  HD int patches() const { return height / size * (width / size); }
  HD int pixels() const { return size * size * channels; }  // numbers in a patch
};

// A patch's first number in the images; its rows of pixels are width * channels numbers apart.
HD int64_t patch_offset(const PatchSizes& s, int64_t n, int patch) {
  const int64_t row = int64_t(patch / s.across()) * s.size;
  const int64_t col = int64_t(patch % s.across()) * s.size;
  return ((n * s.height + row) * s.width + col) * s.channels;
}

// y[n, i] = patch visible[n, i] of image n; all patches in their order where visible is null.
template <class T>
struct GatherPatches {
  T* y;                    // [samples, kept, pixels]
  const T* images;         // [samples, height, width, channels]
  const int32_t* visible;  // [samples, kept], or null
  PatchSizes sizes;
  int kept;
};
template <class T>
struct GatherPatchesBackward {
  T* dimages;            // [samples, height, width, channels]
  const T* dy;           // [samples, kept, pixels]
  const int32_t* place;  // [samples, patches], or null
  PatchSizes sizes;
  int kept;
};

// loss = mean over all hidden patches of the mean over its pixels of (prediction - target)^2, NaN
// where none is hidden. target: the patch, or with normalize (patch - mean) / sqrt(var + 1e-6), the
// variance over pixels - 1. prediction has `prefix` rows before its patches (the class token's).
template <class T>
struct PatchLossForward {
  Acc<T>* loss;          // [1]
  Acc<T>* patch_loss;    // [samples, patches], 0 for a visible one; or null
  const T* prediction;   // [samples, prefix + patches, pixels]
  const T* images;       // [samples, height, width, channels]
  const int32_t* place;  // [samples, patches]
  PatchSizes sizes;
  int prefix, hidden;  // hidden: of each sample
  bool normalize;
};
template <class T>
struct PatchLossBackward {
  T* dprediction;       // [samples, prefix + patches, pixels]: 0 for what is not compared
  const Acc<T>* dloss;  // [1]
  const T *prediction, *images;
  const int32_t* place;
  PatchSizes sizes;
  int prefix, hidden;
  bool normalize;
};

void run(Cpu, DrawMask);
template <class T>
void run(Cpu, GatherPatches<T>);
template <class T>
void run(Cpu, GatherPatchesBackward<T>);
template <class T>
void run(Cpu, PatchLossForward<T>);
template <class T>
void run(Cpu, PatchLossBackward<T>);
void run(Cuda, DrawMask);
template <class T>
void run(Cuda, GatherPatches<T>);
template <class T>
void run(Cuda, GatherPatchesBackward<T>);
template <class T>
void run(Cuda, PatchLossForward<T>);
template <class T>
void run(Cuda, PatchLossBackward<T>);

}  // namespace autodidact
