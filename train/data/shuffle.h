// Orders and choices of samples, by Philox keyed with (seed, stream, epoch): the same on every
// machine and for any number of threads.
#pragma once
#include <cstdint>
#include <vector>
#include "engine/random.h"

namespace autodidact {

// What a part of the data is chosen for: the "epoch" of Stream::subset.
enum class Choice : uint32_t { hold_out, few_labels, shown, stream, judge };

// A permutation of 0 .. n-1 (Fisher and Yates).
std::vector<int64_t> permutation(int64_t n, uint64_t seed, Stream stream, uint32_t epoch);

// An order of samples that lie in shards, one after another: shard s holds [first[s], first[s +
// 1]). The shards come in random order; in their stream every sample waits in a buffer of that
// many, from which one is drawn at random when the next comes in. So a disk reads forward.
std::vector<int64_t> shard_order(const std::vector<int64_t>& first, int64_t buffer, uint64_t seed,
                                 Stream stream, uint32_t epoch);

// The sample tried in place of a damaged one: below n, for attempt 0, 1, ...
int64_t replacement(int64_t n, uint64_t seed, uint32_t epoch, int64_t damaged, int attempt);

}  // namespace autodidact
