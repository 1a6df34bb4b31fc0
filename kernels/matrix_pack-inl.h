// How matrices come to lie as the register tiles of matrix_tile-inl.h read them: panels of B, and
// rows of A that are not read where they lie. As floats (bf16 widened), or as pairs of bf16.
// Included once per target, as simd-inl.h.
#if defined(AUTODIDACT_KERNELS_MATRIX_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AUTODIDACT_KERNELS_MATRIX_PACK_INL_H_
#undef AUTODIDACT_KERNELS_MATRIX_PACK_INL_H_
#else
#define AUTODIDACT_KERNELS_MATRIX_PACK_INL_H_
#endif

#include "kernels/matrix_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

using F32x8 = hn::CappedTag<float, 8>;
using Vec8 = hn::Vec<F32x8>;
HWY_INLINE Vec8 load8(const float* p) { return hn::LoadU(F32x8(), p); }
HWY_INLINE Vec8 load8(const bf16* p) {
  const hn::Rebind<uint16_t, F32x8> half;
  const hn::RebindToUnsigned<F32x8> bits;
  auto u = hn::PromoteTo(bits, hn::LoadU(half, reinterpret_cast<const uint16_t*>(p)));
  return hn::BitCast(F32x8(), hn::ShiftLeft<16>(u));
}

// target[j * target_pitch + i] = lane j of r[i], j < lanes.
HWY_INLINE void store_transposed(float* target, int64_t target_pitch, Vec8 (&r)[8], int lanes = 8) {
  const F32x8 d;
  const hn::CappedTag<double, 4> pairs;
  auto wide = [&](Vec8 v) HWY_ATTR { return hn::BitCast(pairs, v); };
  auto narrow = [&](hn::Vec<decltype(pairs)> v) HWY_ATTR { return hn::BitCast(d, v); };
  Vec8 t[8];
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
    auto lower = hn::ConcatLowerLower(d, r[i + 4], r[i]);
    auto upper = hn::ConcatUpperUpper(d, r[i + 4], r[i]);
    if (i < lanes) hn::StoreU(lower, d, target + i * target_pitch);
    if (i + 4 < lanes) hn::StoreU(upper, d, target + (i + 4) * target_pitch);
  }
}

// target[j * target_pitch + i] = scale * source[i * source_pitch + j], i, j < 8; zero from i = rows
// on.
template <class T>
HWY_INLINE void transpose8(float* target, int64_t target_pitch, const T* source,
                           int64_t source_pitch, float scale, int rows = 8) {
  const F32x8 d;
  Vec8 r[8];
  for (int i = 0; i < 8; ++i)
    r[i] = i < rows ? hn::Mul(load8(source + i * source_pitch), hn::Set(d, scale)) : hn::Zero(d);
  store_transposed(target, target_pitch, r);
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

// The elements of source[0 .. n).
template <class T>
HWY_INLINE void copy_elements(float* target, const T* source, int n) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(load(source + i), F32(), target + i);
  for (; i < n; ++i) target[i] = float(source[i]);
}
inline void copy_elements(Pair* target, const bf16* source, int n) {
  memcpy(target, source, size_t(n / 2) * sizeof(Pair));
  if (n % 2) target[n / 2] = {{source[n - 1], bf16(0.0f)}};
}

// One panel [k][vectors * kLanes] of scale * B, zero beyond its columns. B lies [k][columns] or,
// transposed, [columns][k].
template <class T>
void pack_panel(float* panel, const T* b, int64_t pitch, bool transposed, int k, int columns,
                int vectors, float scale = 1) {
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

// Rows of A: [rows][a_pitch], k elements of each written. A lies [rows][k] or, transposed,
// [k][rows].
template <class T>
void pack_rows(float* target, int64_t target_pitch, const T* a, int64_t pitch, bool transposed,
               int rows, int k) {
  if (transposed) return transpose(target, target_pitch, a, pitch, k, rows, 1.0f);
  for (int i = 0; i < rows; ++i) copy_elements(target + i * target_pitch, a + i * pitch, k);
}

// ---- pairs: moved as the bits of floats, never multiplied

// Eight pairs of the first `numbers` from `from` on, zeros beyond.
HWY_INLINE Vec8 pairs_along(const bf16* from, int numbers) {
  if (numbers >= 16) return hn::LoadU(F32x8(), reinterpret_cast<const float*>(from));
  HWY_ALIGN Pair buffer[8] = {};
  copy_elements(buffer, from, std::max(0, numbers));
  return hn::Load(F32x8(), reinterpret_cast<const float*>(buffer));
}
// Of eight columns, `columns` of which exist, the numbers of two rows, `rows` of which exist.
HWY_INLINE Vec8 pairs_across(const bf16* from, int64_t pitch, int rows, int columns) {
  const hn::RebindToUnsigned<F32x8> bits;
  auto row = [&](int i) HWY_ATTR {
    if (i >= rows || columns <= 0) return hn::Zero(bits);
    if (columns >= 8) return hn::BitCast(bits, load8(from + i * pitch));
    HWY_ALIGN bf16 buffer[8] = {};
    std::copy_n(from + i * pitch, columns, buffer);
    return hn::BitCast(bits, load8(buffer));
  };
  return hn::BitCast(F32x8(), hn::Or(hn::ShiftRight<16>(row(0)), row(1)));
}

inline void pack_panel(Pair* panel, const bf16* b, int64_t pitch, bool transposed, int k,
                       int columns, int vectors) {
  const int width = vectors * kLanes, depth = elements<Pair>(k);
  float* target = reinterpret_cast<float*>(panel);
  for (int j = 0; j < width; j += 8) {
    const bf16* from = b + std::min(j, columns) * (transposed ? pitch : 1);
    if (!transposed) {
      for (int i = 0; i < depth; ++i)
        hn::Store(pairs_across(from + 2 * i * pitch, pitch, k - 2 * i, columns - j), F32x8(),
                  target + int64_t(i) * width + j);
      continue;
    }
    for (int i = 0; i < depth; i += 8) {
      Vec8 r[8];
      for (int c = 0; c < 8; ++c)
        r[c] =
            j + c < columns ? pairs_along(from + c * pitch + 2 * i, k - 2 * i) : hn::Zero(F32x8());
      store_transposed(target + int64_t(i) * width + j, width, r, depth - i);
    }
  }
}

// Transposed rows are written eight elements at a time: target_pitch is a multiple of 8.
inline void pack_rows(Pair* target, int64_t target_pitch, const bf16* a, int64_t pitch,
                      bool transposed, int rows, int k) {
  if (!transposed) {
    for (int i = 0; i < rows; ++i) copy_elements(target + i * target_pitch, a + i * pitch, k);
    return;
  }
  for (int i = 0; i < elements<Pair>(k); i += 8)
    for (int j = 0; j < rows; j += 8) {
      Vec8 r[8];
      for (int s = 0; s < 8; ++s)
        r[s] = pairs_across(a + 2 * (i + s) * pitch + j, pitch, k - 2 * (i + s), rows - j);
      store_transposed(reinterpret_cast<float*>(target) + j * target_pitch + i, target_pitch, r,
                       rows - j);
    }
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
