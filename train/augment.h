// From a loader's batch to the network's input: the engine's view of kernels/augment.h.
#pragma once
#include <array>
#include "engine/tensor.h"
#include "kernels/augment.h"
#include "train/data/loader.h"

namespace autodidact {

struct Normalization {  // per channel, of pixels in [0, 1]
  std::array<float, 3> mean{0.5f, 0.5f, 0.5f}, std{0.5f, 0.5f, 0.5f};
};

struct Augmentation {
  int crop_padding = 0;  // pixels of black around the picture before the random crop
  bool random_crop = false, random_flip = false;
  Rotation rotation = Rotation::none;
  Normalization normalization;
  uint64_t seed = 0;
};

struct NetworkInput {
  Tensor x;       // [n, side, side, 3]; n = 4 * batch for Rotation::all
  Tensor turns;   // i32 [n]: quarter turns counter-clockwise; empty without rotation
  Tensor labels;  // i32 [batch], the data's; -1: none
  // Where pictures are mixed (train/mixup.h), otherwise empty.
  Tensor partners;  // i32 [batch]: the labels of what they are mixed with
  Tensor shares;    // f32 [2], of labels and of partners in the target; their sum is 1
};

// Draws depend on (seed, epoch, sample) alone. f32 or bf16.
NetworkInput augment(const Batch& batch, const Augmentation& options, Dtype dtype,
                     Device device = Device::cpu);
// The same into the memory that `in` has from the batch before, which must have been of the same
// size: a captured step finds the next batch where the last one was.
void augment(NetworkInput& in, const Batch& batch, const Augmentation& options, Dtype dtype,
             Device device);
// What a captured step reads of each batch lies where the first one's did: made at the first call,
// checked at later ones, filled from the CPU's memory.
void make_once(Tensor& t, const Shape& shape, Dtype dtype, Device device);
void fill_from_host(Tensor& t, const void* values);
// The untouched pictures, normalised. images: u8 [count, side, side, 3].
Tensor normalize(const uint8_t* images, int count, int side, const Normalization& n, Dtype dtype,
                 Device device = Device::cpu);

}  // namespace autodidact
