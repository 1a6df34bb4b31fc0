// The work on one block of keys and one panel of queries (kMaxPanel of them at most), all of it in
// the first two levels of cache: logits, exponentials, the weighted sum of keys.
//   queries: packed [dim][width], scaled by log2(e) / t, so that exp(l) is 2^s;
//            width: kLanes times the panel's vectors
//   keys:    staged [panels of dim][count][kMaxPanel], zero beyond dim: each number is copied once
//            (bf16 widened) and then used 2 * batch times, and both products find it without the
//            strides at which rows of a power of two would fall on the same cache sets
//   s, p:    [count][width], logits to base 2 and then their powers, in place
// Included once per target, as simd-inl.h.
#if defined(AUTODIDACT_KERNELS_INFONCE_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AUTODIDACT_KERNELS_INFONCE_BLOCK_INL_H_
#undef AUTODIDACT_KERNELS_INFONCE_BLOCK_INL_H_
#else
#define AUTODIDACT_KERNELS_INFONCE_BLOCK_INL_H_
#endif

#include "kernels/matrix_pack-inl.h"
#include "kernels/packet-inl.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

inline constexpr int kDepth = 256;    // of dim at a time: a panel of queries stays in L1
inline constexpr int kStageRows = 8;  // at a time, so that rows are read to their end

inline int64_t staged_floats(int count, int dim) {
  return int64_t(count) * ((dim + kMaxPanel - 1) / kMaxPanel * kMaxPanel);
}

// rows: [count, dim]
template <class T>
void stage_keys(float* keys, const T* rows, int count, int dim) {
  for (int i = 0; i < count; i += kStageRows)
    for (int d = 0; d < dim; d += kMaxPanel)
      pack_panel(keys + int64_t(d) * count + int64_t(i) * kMaxPanel, rows + int64_t(i) * dim + d,
                 dim, false, std::min(kStageRows, count - i), std::min(kMaxPanel, dim - d),
                 kMaxVectors, 1.0f);
}

// s[key][query]: each a chain of fused multiply-adds over dim, in order, wherever it is computed.
// after(begin, end): those keys' logits are there.
template <class After>
HWY_INLINE void logits(float* s, const float* queries, int vectors, const float* keys, int count,
                       int dim, After&& after) {
  const int width = vectors * kLanes;
  const RowTiles tiles(count, vectors);
  Segment segments[kDepth / kMaxPanel];
  RowsTile<float> t{};
  t.segments = segments;
  t.columns = width;
  for (int begin = 0; begin < dim; begin += kDepth) {
    const int end = std::min(begin + kDepth, dim);
    t.segment_count = 0;
    for (int d = begin; d < end; d += kMaxPanel)
      segments[t.segment_count++] = {d * count, std::min(kMaxPanel, end - d)};
    t.b = queries + int64_t(begin) * width;
    t.first = begin == 0, t.last = end == dim;
    for (int tile = 0; tile < tiles.count; ++tile) {
      const int i0 = tiles.begin(tile), i1 = tiles.begin(tile + 1);
      for (int i = i0; i < i1; ++i) {
        t.a[i - i0] = keys + i * kMaxPanel;
        t.c[i - i0] = s + int64_t(i) * width;
      }
      t.partial = s + int64_t(i0) * width;
      multiply_rows(i1 - i0, vectors, t);
      if (t.last) after(i0, i1);
    }
  }
}

// What a run over the queue keeps of each query, [width] each.
struct QueryState {
  float* sum;             // of 2^(s - max)
  float* max;             // so far, where it is followed
  float* factor;          // by which this block's maximum shrinks the sums before it
  float* block_sum;       // the part of sum that is this block's
  int32_t* rank;          // logits above the positive's
  const float* positive;  // its logit
};

// A block begins: the new maximum, where it is followed, of logits that are all there.
template <bool kFollowMaximum>
void begin_block(const float* s, int count, int vectors, const QueryState& state) {
  const int width = vectors * kLanes;
  for (int v = 0; v < width; v += kLanes) {
    Packet factor(1.0);
    if constexpr (kFollowMaximum) {
      const Packet before = packet(state.max + v);
      Packet shift = before;
      for (int i = 0; i < count; ++i) shift = max(packet(s + int64_t(i) * width + v), shift);
      factor = exp2_of_normal(before - shift);
      store(shift, state.max + v);
    }
    store(factor, state.factor + v);
    store(Packet(0.0), state.block_sum + v);
  }
}

// s -> p = 2^(s - max) for some keys of the block.
template <bool kFollowMaximum>
void powers(float* s, int count, int vectors, const QueryState& state) {
  const hn::RebindToSigned<F32> integers;
  const auto one = hn::Set(integers, 1);
  const int width = vectors * kLanes;
  for (int v = 0; v < width; v += kLanes) {
    const Packet positive = packet(state.positive + v), shift = packet(state.max + v);
    auto rank = hn::LoadU(integers, state.rank + v);
    Packet sum = packet(state.block_sum + v);
    for (int i = 0; i < count; ++i) {
      float* at = s + int64_t(i) * width + v;
      Packet l = packet(at);
      rank = hn::Add(rank, hn::IfThenElseZero(hn::RebindMask(integers, l > positive), one));
      if constexpr (kFollowMaximum) l = l - shift;
      const Packet p = exp2_of_normal(l);
      store(p, at);
      sum = sum + p;
    }
    store(sum, state.block_sum + v);
    hn::StoreU(rank, integers, state.rank + v);
  }
}

inline void end_block(int vectors, const QueryState& state) {
  for (int v = 0; v < vectors * kLanes; v += kLanes)
    store(fma(packet(state.factor + v), packet(state.sum + v), packet(state.block_sum + v)),
          state.sum + v);
}

// sums[r] = factor[r] sums[r] + sum over the block of p[key][r] key, for V vectors of dim.
template <int R, int V>
void add_weighted(float* sums, int64_t pitch, const float* factor, const float* p, int width,
                  const float* keys, int count) {
  Vec block[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) block[r][v] = hn::Zero(F32());
  for (int i = 0; i < count; ++i, p += width, keys += kMaxPanel) {
    Vec key[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) key[v] = hn::Load(F32(), keys + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      Vec weight = hn::Set(F32(), p[r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) block[r][v] = hn::MulAdd(weight, key[v], block[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    Vec shrink = hn::Set(F32(), factor[r]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      float* at = sums + r * pitch + v * kLanes;
      hn::Store(hn::MulAdd(shrink, hn::Load(F32(), at), block[r][v]), F32(), at);
    }
  }
}

// sums: [rows, pitch], rows of this panel's queries; pitch: padded_columns(dim)
inline void add_weighted_keys(float* sums, const float* factor, const float* p, int vectors,
                              int rows, const float* keys, int count, int dim) {
  const int width = vectors * kLanes, pitch = padded_columns(dim);
  for (int d = 0; d < dim; d += kMaxPanel) {
    const int columns = panel_vectors(dim - d);
    const RowTiles tiles(rows, columns);
    for (int tile = 0; tile < tiles.count; ++tile) {
      const int r0 = tiles.begin(tile), r1 = tiles.begin(tile + 1);
      with_tile(r1 - r0, columns, [&]<int R, int V>() HWY_ATTR {
        add_weighted<R, V>(sums + int64_t(r0) * pitch + d, pitch, factor + r0, p + r0, width,
                           keys + int64_t(d) * count, count);
      });
    }
  }
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
