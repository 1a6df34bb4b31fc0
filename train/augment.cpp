#include "train/augment.h"
#include <algorithm>
#include <vector>
#include "engine/dispatch.h"
#include "engine/random.h"

namespace autodidact {

static Tensor run_augment(Tensor* turns, const uint8_t* images, const int64_t* indices, int count,
                          int side, uint32_t epoch, const Augmentation& options, Dtype dtype) {
  int outputs = options.rotation == Rotation::all ? 4 * count : count;
  Tensor x = empty({outputs, side, side, 3}, dtype);
  if (turns) *turns = empty({outputs}, Dtype::i32);
  dispatch(x, [&]<class T>(auto queue, T) {
    Augment<T> a{};
    a.y = ptr<T>(x), a.turns = turns ? ptr<int32_t>(*turns) : nullptr;
    a.images = images, a.indices = indices;
    a.samples = count, a.height = a.width = a.size = side, a.channels = 3,
    a.pad = options.crop_padding;
    std::copy_n(options.normalization.mean.begin(), 3, a.mean);
    std::copy_n(options.normalization.std.begin(), 3, a.std);
    a.random_crop = options.random_crop, a.random_flip = options.random_flip,
    a.rotation = options.rotation;
    a.seed = options.seed, a.stream = uint32_t(Stream::augment), a.epoch = epoch;
    run(queue, a);
  });
  return x;
}

NetworkInput augment(const Batch& batch, const Augmentation& options, Dtype dtype) {
  NetworkInput in;
  Tensor* turns = options.rotation == Rotation::none ? nullptr : &in.turns;
  in.x = run_augment(turns, batch.images.data(), batch.samples.data(), batch.count, batch.side,
                     uint32_t(batch.epoch), options, dtype);
  return in;
}

Tensor normalize(const uint8_t* images, int count, int side, const Normalization& n, Dtype dtype) {
  Augmentation plain;
  plain.normalization = n;
  std::vector<int64_t> indices(size_t(count), 0);  // nothing is drawn
  return run_augment(nullptr, images, indices.data(), count, side, 0, plain, dtype);
}

}  // namespace autodidact
