#include "train/data/shuffle.h"
#include <numeric>
#include <utility>

namespace autodidact {
namespace {

uint64_t key_of(Stream stream, uint32_t epoch) { return uint64_t(stream) << 32 | epoch; }

}  // namespace

std::vector<int64_t> permutation(int64_t n, uint64_t seed, Stream stream, uint32_t epoch) {
  std::vector<int64_t> order(size_t(n), 0);
  std::iota(order.begin(), order.end(), 0);
  Philox4 random{};
  for (int64_t i = n - 1, drawn = 0; i > 0; --i, ++drawn) {
    if (drawn % 4 == 0) random = philox(seed, key_of(stream, epoch), uint64_t(drawn / 4));
    std::swap(order[size_t(i)], order[below(random.v[drawn % 4], uint32_t(i + 1))]);
  }
  return order;
}

int64_t replacement(int64_t n, uint64_t seed, uint32_t epoch, int64_t damaged, int attempt) {
  // The top bit keeps clear of the counters of the epoch's order.
  uint64_t counter = uint64_t(1) << 63 | uint64_t(attempt) << 48 | uint64_t(damaged);
  return below(philox(seed, key_of(Stream::order, epoch), counter).v[0], uint32_t(n));
}

}  // namespace autodidact
