// The register tile under GEMM and convolution: C[rows, columns] += A[rows, k] B[k, columns], with
// up to kMaxRows rows and V vectors of columns held in registers over the whole of k.
//   A is read where it lies, one pointer a row, k cut into segments that all rows share (a 3x3
//     convolution over NHWC has three: kw * channels numbers of each image row lie side by side).
//   B is packed: panels of V vectors, [k][V * kLanes], zero beyond the last column.
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
#include <type_traits>
#include <hwy/cache_control.h>
#include "kernels/simd-inl.h"

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

struct Segment {
  int offset, length;  // in floats, from each row's pointer
};

// One tile's work. c and partial are written (partial when another block of k follows).
template <class Out>
struct RowsTile {
  Out* c[kMaxRows];          // first column of each row
  float* partial;            // [rows][V * kLanes]: the sum so far
  const float* a[kMaxRows];  // each row's numbers; segments are offsets from here
  const float* b;            // packed panel
  const Segment* segments;
  const float* bias;  // [columns], or null
  int segment_count, columns;
  bool first, last;  // block of k
  bool relu;
  float beta;  // 0: c is not read
};

// Not unrolled: four steps a round measured 3 to 7 % slower on Zen 3.
template <int R, int V>
HWY_INLINE const float* multiply_segment(Vec (&sum)[R][V], const float* const (&a)[R],
                                         const Segment& s, const float* b) {
  const int64_t end = s.offset + s.length;
  for (int64_t i = s.offset; i < end; ++i, b += V * kLanes) {
    Vec row[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) row[v] = hn::Load(F32(), b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      Vec factor = hn::Set(F32(), a[r][i]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(factor, row[v], sum[r][v]);
    }
  }
  return b;
}

template <int R, int V, class Out>
void multiply_rows(const RowsTile<Out>& t) {
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

  const float* a[R];
  for (int r = 0; r < R; ++r) a[r] = t.a[r];
  const float* b = t.b;
  for (int s = 0; s < t.segment_count; ++s) b = multiply_segment<R, V>(sum, a, t.segments[s], b);

  if (!t.last) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) hn::Store(sum[r][v], F32(), t.partial + (r * V + v) * kLanes);
    return;
  }
  if (t.columns == V * kLanes && !t.bias && t.beta == 0 && !t.relu) {
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
      Vec y = t.bias ? hn::Add(sum[r][v], shift) : sum[r][v];
      Out* c = t.c[r] + v * kLanes;
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
template <class Out>
HWY_INLINE void multiply_rows(int rows, int vectors, const RowsTile<Out>& t) {
  with_tile(rows, vectors, [&]<int R, int V>() HWY_ATTR { multiply_rows<R, V>(t); });
}
HWY_INLINE void multiply_outer(int rows, int vectors, float* partial, const float* a, int64_t pitch,
                               const float* b, const int* offsets, int k, bool first) {
  with_tile(rows, vectors, [&]<int R, int V>() HWY_ATTR {
    multiply_outer<R, V>(partial, a, pitch, b, offsets, k, first);
  });
}

// What is read after these tiles, `rows` of `bytes` each, comes into the cache a share a tile.
template <class T>
HWY_INLINE void prefetch_share(const T* from, int64_t pitch, int rows, int64_t bytes, int tile,
                               int tiles) {
  const int64_t lines = (bytes + 63) / 64, all = rows * lines;
  if (all <= 0) return;
  int64_t line = all * tile / tiles;
  const int64_t end = all * (tile + 1) / tiles;
  const char* row = reinterpret_cast<const char*>(from + line / lines * pitch);
  for (int64_t in_row = line % lines; line < end; ++line) {
    hwy::Prefetch(row + in_row * 64);
    if (++in_row == lines) in_row = 0, row += pitch * int64_t(sizeof(T));
  }
}

// Rows are cut into tiles of nearly equal height: 16 rows are 6 + 5 + 5, never 6 + 6 + 4, and 8 are
// 4 + 4 (a tile of 2 would wait for its own additions).
struct RowTiles {
  int rows, count;
  RowTiles(int m, int vectors)
      : rows(m), count((m + tile_rows(vectors) - 1) / tile_rows(vectors)) {}
  int begin(int tile) const { return int(int64_t(rows) * tile / count); }
};

// ---- packing

using F32x8 = hn::CappedTag<float, 8>;
using Vec8 = hn::Vec<F32x8>;
HWY_INLINE Vec8 load8(const float* p) { return hn::LoadU(F32x8(), p); }
HWY_INLINE Vec8 load8(const bf16* p) {
  const hn::Rebind<uint16_t, F32x8> half;
  const hn::RebindToUnsigned<F32x8> bits;
  auto u = hn::PromoteTo(bits, hn::LoadU(half, reinterpret_cast<const uint16_t*>(p)));
  return hn::BitCast(F32x8(), hn::ShiftLeft<16>(u));
}

// target[j * target_pitch + i] = scale * source[i * source_pitch + j], i, j < 8; zero from i = rows
// on.
template <class T>
HWY_INLINE void transpose8(float* target, int64_t target_pitch, const T* source,
                           int64_t source_pitch, float scale, int rows = 8) {
  const F32x8 d;
  const hn::CappedTag<double, 4> pairs;
  auto wide = [&](Vec8 v) HWY_ATTR { return hn::BitCast(pairs, v); };
  auto narrow = [&](hn::Vec<decltype(pairs)> v) HWY_ATTR { return hn::BitCast(d, v); };
  Vec8 r[8], t[8];
  for (int i = 0; i < 8; ++i)
    r[i] = i < rows ? hn::Mul(load8(source + i * source_pitch), hn::Set(d, scale)) : hn::Zero(d);
  for (int i = 0; i < 8; i += 2) {
    t[i] = hn::InterleaveLower(d, r[i], r[i + 1]);
    t[i + 1] = hn::InterleaveUpper(d, r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int h = 0; h < 2; ++h) {
      r[i + 2 * h] = narrow(hn::InterleaveLower(pairs, wide(t[i + h]), wide(t[i + h + 2])));
      r[i + 2 * h + 1] = narrow(hn::InterleaveUpper(pairs, wide(t[i + h]), wide(t[i + h + 2])));
    }
  for (int i = 0; i < 4; ++i) {
    hn::StoreU(hn::ConcatLowerLower(d, r[i + 4], r[i]), d, target + i * target_pitch);
    hn::StoreU(hn::ConcatUpperUpper(d, r[i + 4], r[i]), d, target + (i + 4) * target_pitch);
  }
}

// target[j][i] = scale * source[i][j] for i < rows, j < columns of the source.
template <class T>
void transpose(float* target, int64_t target_pitch, const T* source, int64_t source_pitch, int rows,
               int columns, float scale) {
  for (int i = 0; i < rows; i += 8)
    for (int j = 0; j < columns; j += 8) {
      if (i + 8 <= rows && j + 8 <= columns) {
        transpose8(target + j * target_pitch + i, target_pitch, source + i * source_pitch + j,
                   source_pitch, scale);
        continue;
      }
      for (int s = i; s < std::min(i + 8, rows); ++s)
        for (int c = j; c < std::min(j + 8, columns); ++c)
          target[c * target_pitch + s] = scale * float(source[s * source_pitch + c]);
    }
}

// target[0 .. n) = source[0 .. n)
template <class T>
HWY_INLINE void widen(float* target, const T* source, int n) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(load(source + i), F32(), target + i);
  for (; i < n; ++i) target[i] = float(source[i]);
}

// One panel [k][vectors * kLanes] of scale * B, zero beyond its columns. B lies [k][columns] or,
// transposed, [columns][k].
template <class T>
void pack_panel(float* panel, const T* b, int64_t pitch, bool transposed, int k, int columns,
                int vectors, float scale) {
  const int width = vectors * kLanes;
  if (!transposed) {
    for (int i = 0; i < k; ++i)
      for (int j = 0; j < width; j += kLanes) {
        const T* from = b + i * pitch + std::min(j, columns);
        Vec row = j + kLanes <= columns ? load(from) : load_n(from, std::max(0, columns - j));
        hn::Store(hn::Mul(row, hn::Set(F32(), scale)), F32(), panel + int64_t(i) * width + j);
      }
    return;
  }
  for (int j = 0; j < width; j += 8) {
    const int rows = std::clamp(columns - j, 0, 8);
    const T* from = b + (rows > 0 ? j : 0) * pitch;
    for (int i = 0; i < k; i += 8) {
      if (i + 8 <= k) {
        transpose8(panel + int64_t(i) * width + j, width, from + i, pitch, scale, rows);
        continue;
      }
      for (int s = i; s < k; ++s)
        for (int c = 0; c < 8; ++c)
          panel[int64_t(s) * width + j + c] = c < rows ? scale * float(from[c * pitch + s]) : 0.0f;
    }
  }
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
