// Random numbers on the host: Philox streams. A stream is (seed, stream name); its n-th number
// depends on nothing else.
#pragma once
#include <cstdint>
#include <string_view>
#include "engine/tensor.h"
#include "kernels/philox.h"

namespace autodidact {

// The purpose of a stream, so that no two purposes share numbers. Stored in checkpoints by value:
// never renumber.
enum class Stream : uint32_t {
  init = 1,
  order = 2,
  augment = 3,
  world = 4,
  evaluate = 5,
  subset = 6,
  corrupt = 7,
  view = 8,     // of a picture: crop and colours
  keys = 9,     // the order of MoCo's keys
  labels = 10,  // that mean nothing: a control
  drop_path = 11,
  mix = 12,  // of a batch: mixup's and CutMix's share and box
  mask = 16
};

class Rng {
 public:
  explicit Rng(uint64_t seed, Stream stream = Stream::init) : seed_(seed), stream_(stream) {}
  // Draws nothing: fill_* leave their tensors unwritten, for a network whose values are loaded
  // next. (Eleven million normal numbers take 0.3 s.)
  static Rng none() {
    Rng rng(0);
    rng.draws_ = false;
    return rng;
  }
  bool draws() const { return draws_; }
  uint32_t bits();
  float uniform() { return autodidact::uniform(bits()); }              // [0, 1)
  uint32_t below(uint32_t n) { return autodidact::below(bits(), n); }  // 0 .. n-1
  float normal();  // mean 0, variance 1 (Box-Muller)

 private:
  uint64_t seed_;
  Stream stream_;
  uint64_t counter_ = 0;
  Philox4 block_{};
  int left_ = 0;
  bool draws_ = true;
};

void fill_uniform(Tensor& t, float low, float high, Rng& rng);  // f32
void fill_normal(Tensor& t, float mean, float std, Rng& rng);   // f32

}  // namespace autodidact
