#include "train/augment.h"
#include <algorithm>
#include <vector>
#include "engine/dispatch.h"
#include "engine/random.h"

namespace autodidact {

void make_once(Tensor& t, const Shape& shape, Dtype dtype, Device device) {
  if (!t) t = empty(shape, dtype, device);
  check(t.shape == shape && t.dtype == dtype && t.device() == device,
        "augment: every batch must be as the first, ", t.dtype, " ", t.shape, " on ", t.device(),
        ", got ", dtype, " ", shape, " on ", device);
}

void fill_from_host(Tensor& t, const void* values) {
  transfer(t.data(), t.device(), values, Device::cpu, t.bytes());
  ++t.buffer->version;
}

namespace {

// x: [outputs, side, side, 3]; turns: i32 [outputs], or empty.
void run_augment(Tensor& x, Tensor& turns, const uint8_t* images, const int64_t* indices, int count,
                 int side, uint32_t epoch, const Augmentation& options) {
  const Device device = x.device();
  Tensor pictures = from_host({count, side, side, 3}, images, device);
  Tensor samples = from_host({count}, indices, device);
  dispatch(x, [&]<class T>(auto queue, T) {
    Augment<T> a{};
    a.y = ptr<T>(x), a.turns = ptr<int32_t>(turns);
    a.images = ptr<const uint8_t>(pictures), a.indices = ptr<const int64_t>(samples);
    a.samples = count, a.height = a.width = a.size = side, a.channels = 3,
    a.pad = options.crop_padding;
    std::copy_n(options.normalization.mean.begin(), 3, a.mean);
    std::copy_n(options.normalization.std.begin(), 3, a.std);
    a.random_crop = options.random_crop, a.random_flip = options.random_flip,
    a.rotation = options.rotation;
    a.seed = options.seed, a.stream = uint32_t(Stream::augment), a.epoch = epoch;
    run(queue, a);
  });
  ++x.buffer->version;
  if (turns) ++turns.buffer->version;
}

}  // namespace

void augment(NetworkInput& in, const Batch& batch, const Augmentation& options, Dtype dtype,
             Device device) {
  const int outputs = options.rotation == Rotation::all ? 4 * batch.count : batch.count;
  make_once(in.x, {outputs, batch.side, batch.side, 3}, dtype, device);
  if (options.rotation != Rotation::none) make_once(in.turns, {outputs}, Dtype::i32, device);
  run_augment(in.x, in.turns, batch.images.data(), batch.samples.data(), batch.count, batch.side,
              uint32_t(batch.epoch), options);
  const int labels = int(batch.labels.size());
  make_once(in.labels, {labels}, Dtype::i32, device);
  fill_from_host(in.labels, batch.labels.data());
}

NetworkInput augment(const Batch& batch, const Augmentation& options, Dtype dtype, Device device) {
  NetworkInput in;
  augment(in, batch, options, dtype, device);
  return in;
}

Tensor normalize(const uint8_t* images, int count, int side, const Normalization& n, Dtype dtype,
                 Device device) {
  Augmentation plain;
  plain.normalization = n;
  std::vector<int64_t> indices(size_t(count), 0);  // nothing is drawn
  Tensor x = empty({count, side, side, 3}, dtype, device), none;
  run_augment(x, none, images, indices.data(), count, side, 0, plain);
  return x;
}

}  // namespace autodidact
