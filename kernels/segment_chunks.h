// The optimizer's partition: every segment of the flat buffer is cut into chunks of its own, so
// that what a parameter's update computes depends neither on its neighbours nor on the thread
// count.
#pragma once
#include <algorithm>
#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "kernels/parallel.h"

namespace autodidact {

// first: [count + 1], each segment's first chunk and the number of chunks.
inline void chunk_table(int64_t* first, const Segment* segments, int count) {
  first[0] = 0;
  for (int s = 0; s < count; ++s)
    first[s + 1] = first[s] + chunk_count(segments[s].end - segments[s].begin, kElementGrain);
}
// f(segment, chunk, begin, end) for every chunk, in parallel.
template <class F>
void for_segment_chunks(const Segment* segments, int count, const int64_t* first, F f) {
  parallel_for(first[count], 1, [&](int64_t chunk, int64_t) {
    int s = int(std::upper_bound(first, first + count + 1, chunk) - first) - 1;
    int64_t begin = segments[s].begin + (chunk - first[s]) * kElementGrain;
    f(s, chunk, begin, std::min(begin + kElementGrain, segments[s].end));
  });
}
template <class F>
void for_segment_chunks(const Segment* segments, int count, F f) {
  Scratch<int64_t> first(count + 1);
  chunk_table(first.data(), segments, count);
  for_segment_chunks(segments, count, first.data(), f);
}

}  // namespace autodidact
