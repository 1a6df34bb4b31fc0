#include "train/data/dataset.h"
#include <algorithm>
#include "train/data/shuffle.h"

namespace autodidact {

std::vector<int64_t> Dataset::order(uint64_t seed, uint32_t epoch) const {
  return permutation(size(), seed, Stream::order, epoch);
}

void load_square(uint8_t* out, const Dataset& data, int64_t i, int side) {
  const uint8_t* pixels = data.side() == side ? data.pixels(i) : nullptr;
  if (pixels) std::copy_n(pixels, size_t(side) * size_t(side) * 3, out);
  else resize_square(out, side, data.image(i, side));
}

}  // namespace autodidact
