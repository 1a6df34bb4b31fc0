#include "train/data/dataset.h"
#include "train/data/shuffle.h"

namespace autodidact {

std::vector<int64_t> Dataset::order(uint64_t seed, uint32_t epoch) const {
  return permutation(size(), seed, Stream::order, epoch);
}

}  // namespace autodidact
