#include "train/drop_path.h"
#include "engine/random.h"
#include "kernels/philox.h"

namespace autodidact {

std::vector<float> draw_paths(double rate, int depth, uint64_t seed, const Batch& batch,
                              int copies) {
  const uint64_t stream = (uint64_t(Stream::drop_path) << 32) | uint32_t(batch.epoch);
  const int inputs = batch.count * copies;
  std::vector<float> factors;
  factors.reserve(size_t(2 * depth) * size_t(inputs));
  for (int branch = 0; branch < 2 * depth; ++branch) {
    const int block = branch / 2;
    const double skipped = depth > 1 ? rate * block / (depth - 1) : 0;
    for (int n = 0; n < inputs; ++n) {
      const uint64_t input = uint64_t(batch.samples[size_t(n / copies)] * copies + n % copies)
                             << 10;  // 1,024 blocks
      const float draw = uniform(philox(seed, stream, input | uint64_t(block)).v[branch % 2]);
      factors.push_back(double(draw) < skipped ? 0 : float(1 / (1 - skipped)));
    }
  }
  return factors;
}

}  // namespace autodidact
