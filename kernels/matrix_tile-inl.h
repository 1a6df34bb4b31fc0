// The register tile under GEMM and convolution: C[rows, columns] += A[rows, k] B[k, columns], with
// up to kMaxRows rows and V vectors of columns held in registers over the whole of k.
//   A is read where it lies, one pointer a row, k cut into segments that all rows share (a 3x3
//     convolution over NHWC has three: kw * channels numbers of each image row lie side by side).
//   B is packed: panels of V vectors, [k][V * kLanes], zero beyond the last column.
// An element of A and B is a float, or a Pair of bf16 that follow each other in k: vdpbf16ps
// multiplies and adds two of them in a lane. Pitches, offsets and lengths count elements.
// multiply_outer is the same for A^T B, both k-major (weight gradients: k runs over pixels).
// Included once per target, as simd-inl.h. AVX2 has 16 registers: 6 x 2 sums, 2 of B, 1 of A;
// AVX-512 has 32: 6 x 4 sums, 4 of B, 1 of A; 8 rows for narrower panels.
#if defined(AUTODIDACT_KERNELS_MATRIX_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AUTODIDACT_KERNELS_MATRIX_TILE_INL_H_
#undef AUTODIDACT_KERNELS_MATRIX_TILE_INL_H_
#else
#define AUTODIDACT_KERNELS_MATRIX_TILE_INL_H_
#endif

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <hwy/cache_control.h>
#include "kernels/simd-inl.h"
#include "kernels/ahead.h"
#include "kernels/cpu_class.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

inline constexpr int kMaxVectors = HWY_TARGET == HWY_AVX3 ? 4 : 2;
inline constexpr int kMaxPanel = kMaxVectors * kLanes;
inline constexpr int kMaxRows = 8;
constexpr int tile_rows(int vectors) { return kLanes == 8 || vectors == 4 ? 6 : 8; }

// Columns are cut into panels of kMaxPanel; the last is as narrow as what is left allows.
inline int panel_vectors(int columns_left) {
  return std::min(kMaxVectors, (columns_left + kLanes - 1) / kLanes);
}
// Floats a packed row of all panels takes.
inline int padded_columns(int n) { return (n + kLanes - 1) / kLanes * kLanes; }

// Numbers 2 i and 2 i + 1 of k; the second is zero where k ends.
struct Pair {
  bf16 numbers[2];
};
template <class Element>
inline constexpr int kNumbers = std::is_same_v<Element, Pair> ? 2 : 1;  // of k in an element
template <class Element>
constexpr int elements(int k) {
  return (k + kNumbers<Element> - 1) / kNumbers<Element>;
}

HWY_INLINE Vec element_row(const float* p) { return hn::Load(F32(), p); }
HWY_INLINE Vec element_row(const Pair* p) {
  return hn::Load(F32(), reinterpret_cast<const float*>(p));
}
HWY_INLINE Vec in_every_lane(float element) { return hn::Set(F32(), element); }
HWY_INLINE Vec in_every_lane(const Pair& element) {
  float bits;
  memcpy(&bits, &element, sizeof bits);
  return hn::Set(F32(), bits);
}
// Highway has no vdpbf16ps; as an instruction of its own it needs no other compiler flags than its
// neighbours. It takes numbers below 2^-126 as zero.
template <class Element>
HWY_INLINE Vec multiply_add(Vec a, Vec b, Vec sum) {
  if constexpr (std::is_same_v<Element, Pair>) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
    return sum;
  } else {
    return hn::MulAdd(a, b, sum);
  }
}

// f.operator()<Element>() for what this class multiplies numbers of T as.
template <class T, class F>
HWY_INLINE void with_element(F&& f) {
  if constexpr (HWY_TARGET == HWY_AVX3 && std::is_same_v<T, bf16>)
    if (cpu_class() == CpuClass::avx512_bf16) return f.template operator()<Pair>();
  f.template operator()<float>();
}

struct Segment {
  int offset, length;  // in elements, from each row's pointer
};

// A panel of B where it lies, whole vectors in each row, and where it is to be packed.
struct Unpacked {
  const float* from;
  int64_t pitch;
  float* to;
};

// One tile's work. c and partial are written (partial when another block of k follows).
template <class Out, class Element = float>
struct RowsTile {
  Out* c[kMaxRows];            // first column of each row
  float* partial;              // [rows][V * kLanes]: the sum so far
  const Element* a[kMaxRows];  // each row's elements; segments are offsets from here
  const Element* b;            // packed panel
  const Segment* segments;
  const float* bias;  // [columns], or null
  int segment_count, columns;
  bool first, last;  // block of k
  bool relu;
  float beta;                          // 0: c is not read
  float alpha = 1;                     // of the sum
  Ahead* ahead = nullptr;              // fetched along the first segment
  const Unpacked* unpacked = nullptr;  // where b comes from, if this tile is to pack it
};

// One step of k.
template <int R, int V, class Element>
HWY_INLINE void multiply_step(Vec (&sum)[R][V], const Element* const (&a)[R], int64_t i,
                              const Vec (&row)[V]) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    Vec factor = in_every_lane(a[r][i]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sum[r][v] = multiply_add<Element>(factor, row[v], sum[r][v]);
  }
}

// Not unrolled: four steps a round measured 3 to 7 % slower on Zen 3.
template <int R, int V, class Element>
HWY_INLINE const Element* multiply_segment(Vec (&sum)[R][V], const Element* const (&a)[R],
                                           const Segment& s, const Element* b) {
  const int64_t end = s.offset + s.length;
  for (int64_t i = s.offset; i < end; ++i, b += V * kLanes) {
    Vec row[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) row[v] = element_row(b + v * kLanes);
    multiply_step(sum, a, i, row);
  }
  return b;
}

// The same with lines fetched on the way; returns how many steps it took.
template <int R, int V, class Element>
HWY_INLINE int multiply_and_fetch(Vec (&sum)[R][V], const Element* const (&a)[R], const Segment& s,
                                  const Element* b, Ahead& ahead) {
  constexpr int kSteps = 4;  // of k for a line: more at a time would wait for each other
  const char* lines[64];
  const int count = ahead.take(lines, std::min<int>(std::size(lines), s.length / kSteps));
  for (int line = 0; line < count; ++line) {
    __builtin_prefetch(lines[line]);
    b = multiply_segment(sum, a, {s.offset + line * kSteps, kSteps}, b);
  }
  return count * kSteps;
}

// The same with the panel packed on the way, for the first tile that needs it.
template <int R, int V>
HWY_INLINE int multiply_and_pack(Vec (&sum)[R][V], const float* const (&a)[R], const Segment& s,
                                 const Unpacked& b) {
  const float* from = b.from;
  float* to = b.to;
  const int64_t end = s.offset + s.length;
  for (int64_t i = s.offset; i < end; ++i, to += V * kLanes, from += b.pitch) {
    Vec row[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      row[v] = hn::LoadU(F32(), from + v * kLanes);
      hn::Store(row[v], F32(), to + v * kLanes);
    }
    multiply_step(sum, a, i, row);
  }
  return s.length;
}

template <int R, int V, class Out, class Element>
void multiply_rows(const RowsTile<Out, Element>& t) {
  Vec sum[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      sum[r][v] = t.first ? hn::Zero(F32()) : hn::Load(F32(), t.partial + (r * V + v) * kLanes);

  // C's lines are on their way while the products are made: a store that waits for its line holds
  // up all that follow.
  if (t.last)
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
      for (int c = 0; c < V * kLanes; c += 64 / int(sizeof(Out))) __builtin_prefetch(t.c[r] + c, 1);

  const Element* a[R];
  for (int r = 0; r < R; ++r) a[r] = t.a[r];
  int done = 0;  // of the first segment
  if (t.unpacked) {
    if constexpr (std::is_same_v<Element, float>)
      done = multiply_and_pack(sum, a, t.segments[0], *t.unpacked);
  } else if (t.ahead) {
    done = multiply_and_fetch(sum, a, t.segments[0], t.b, *t.ahead);
  }
  const Element* b = t.b + int64_t(done) * V * kLanes;
  for (int s = 0; s < t.segment_count; ++s, done = 0)
    b = multiply_segment(sum, a, {t.segments[s].offset + done, t.segments[s].length - done}, b);

  if (!t.last) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) hn::Store(sum[r][v], F32(), t.partial + (r * V + v) * kLanes);
    return;
  }
  if (t.columns == V * kLanes && !t.bias && t.beta == 0 && !t.relu && t.alpha == 1) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) store(sum[r][v], t.c[r] + v * kLanes);
    return;
  }
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
    int left = t.columns - v * kLanes;
    bool whole = left >= kLanes;
    if (left <= 0) break;
    Vec shift = !t.bias ? hn::Zero(F32())
                : whole ? load(t.bias + v * kLanes)
                        : load_n(t.bias + v * kLanes, left);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      Out* c = t.c[r] + v * kLanes;
      Vec y = hn::Mul(hn::Set(F32(), t.alpha), sum[r][v]);
      if (t.bias) y = hn::Add(y, shift);
      if (t.beta != 0) y = hn::MulAdd(hn::Set(F32(), t.beta), whole ? load(c) : load_n(c, left), y);
      if (t.relu) y = hn::Max(hn::Zero(F32()), y);  // in this order NaN stays
      if (whole) store(y, c);
      else store_n(y, c, left);
    }
  }
}

// partial += A^T B over k pixels: partial[r][v] += sum over k of a[k * pitch + r] * b[offsets[k] +
// v].
template <int R, int V>
void multiply_outer(float* partial, const float* a, int64_t pitch, const float* b,
                    const int* offsets, int k, bool first) {
  Vec sum[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      sum[r][v] = first ? hn::Zero(F32()) : hn::Load(F32(), partial + (r * V + v) * kLanes);
  for (int i = 0; i < k; ++i, a += pitch) {
    const float* from = b + offsets[i];
    Vec row[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) row[v] = hn::LoadU(F32(), from + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      Vec factor = hn::Set(F32(), a[r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(factor, row[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) hn::Store(sum[r][v], F32(), partial + (r * V + v) * kLanes);
}

// f.operator()<R, V>() for the tile of this many rows and vectors.
template <int V, class F>
HWY_INLINE void with_rows(int rows, F&& f) {
  switch (rows) {
    case 1:
      return f.template operator()<1, V>();
    case 2:
      return f.template operator()<2, V>();
    case 3:
      return f.template operator()<3, V>();
    case 4:
      return f.template operator()<4, V>();
    case 5:
      return f.template operator()<5, V>();
    case 6:
      return f.template operator()<6, V>();
  }
  if constexpr (tile_rows(V) == 8) {
    if (rows == 7) f.template operator()<7, V>();
    else f.template operator()<8, V>();
  }
}
template <class F>
HWY_INLINE void with_tile(int rows, int vectors, F&& f) {
  if (vectors == 1) with_rows<1>(rows, f);
  else if (vectors == 2) with_rows<2>(rows, f);
  if constexpr (kMaxVectors == 4) {
    if (vectors == 3) with_rows<3>(rows, f);
    else if (vectors == 4) with_rows<4>(rows, f);
  }
}
template <class Out, class Element>
HWY_INLINE void multiply_rows(int rows, int vectors, const RowsTile<Out, Element>& t) {
  with_tile(rows, vectors, [&]<int R, int V>() HWY_ATTR { multiply_rows<R, V>(t); });
}
HWY_INLINE void multiply_outer(int rows, int vectors, float* partial, const float* a, int64_t pitch,
                               const float* b, const int* offsets, int k, bool first) {
  with_tile(rows, vectors, [&]<int R, int V>() HWY_ATTR {
    multiply_outer<R, V>(partial, a, pitch, b, offsets, k, first);
  });
}

// What is read after these tiles comes into the cache a share a tile.
inline void prefetch_share(const void* from, int64_t bytes, int tile, int tiles) {
  const int64_t lines = (bytes + 63) / 64;
  for (int64_t line = lines * tile / tiles; line < lines * (tile + 1) / tiles; ++line)
    hwy::Prefetch(static_cast<const char*>(from) + line * 64);
}

// Rows are cut into tiles of nearly equal height: 16 rows are 6 + 5 + 5, never 6 + 6 + 4, and 8 are
// 4 + 4 (a tile of 2 would wait for its own additions).
struct RowTiles {
  int rows, count;
  RowTiles(int m, int vectors)
      : rows(m), count((m + tile_rows(vectors) - 1) / tile_rows(vectors)) {}
  int begin(int tile) const { return int(int64_t(rows) * tile / count); }
};

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
