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

std::vector<int64_t> shard_order(const std::vector<int64_t>& first, int64_t buffer, uint64_t seed,
                                 Stream stream, uint32_t epoch) {
  std::vector<int64_t> order, waiting;
  order.reserve(size_t(first.back()));
  Philox4 random{};
  auto give = [&] {  // one of those that wait
    const int64_t drawn = int64_t(order.size());
    // Bit 62 keeps clear of the counters of permutation and replacement.
    if (drawn % 4 == 0)
      random = philox(seed, key_of(stream, epoch), uint64_t(1) << 62 | uint64_t(drawn / 4));
    std::swap(waiting[below(random.v[drawn % 4], uint32_t(waiting.size()))], waiting.back());
    order.push_back(waiting.back());
    waiting.pop_back();
  };
  for (int64_t shard : permutation(int64_t(first.size()) - 1, seed, stream, epoch))
    for (int64_t i = first[size_t(shard)]; i < first[size_t(shard) + 1]; ++i) {
      waiting.push_back(i);
      if (int64_t(waiting.size()) == buffer) give();
    }
  while (!waiting.empty()) give();
  return order;
}

int64_t replacement(int64_t n, uint64_t seed, uint32_t epoch, int64_t damaged, int attempt) {
  // The top bit keeps clear of the counters of the epoch's order.
  uint64_t counter = uint64_t(1) << 63 | uint64_t(attempt) << 48 | uint64_t(damaged);
  return below(philox(seed, key_of(Stream::order, epoch), counter).v[0], uint32_t(n));
}

}  // namespace autodidact
