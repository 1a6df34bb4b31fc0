#include "engine/random.h"
#include <cmath>

namespace autodidact {

uint32_t Rng::bits() {
  check(draws_, "random: this Rng draws nothing");
  if (left_ == 0) {
    block_ = philox(seed_, counter_++, uint64_t(stream_) << 32);
    left_ = 4;
  }
  return block_.v[4 - left_--];
}

float Rng::normal() {
  double u = (double(bits()) + 0.5) * 0x1p-32, v = double(bits()) * 0x1p-32;
  return float(std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v));
}

void fill_uniform(Tensor& t, float low, float high, Rng& rng) {
  if (!rng.draws()) return;
  float* p = ptr<float>(t);
  for (int64_t i = 0; i < t.size(); ++i) p[i] = low + (high - low) * rng.uniform();
  ++t.buffer->version;
}

void fill_normal(Tensor& t, float mean, float std, Rng& rng) {
  if (!rng.draws()) return;
  float* p = ptr<float>(t);
  for (int64_t i = 0; i < t.size(); ++i) p[i] = mean + std * rng.normal();
  ++t.buffer->version;
}

}  // namespace autodidact
