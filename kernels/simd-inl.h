// What the SIMD bodies share: Packet<float>, a Highway vector with the operators and functions that
// functors.h asks for, and loads and stores that widen bf16. Included once per target, inside the
// foreach_target pattern:
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "kernels/<family>.cpp"
//   #include <hwy/foreach_target.h>
//   #include "kernels/simd-inl.h"
//   HWY_BEFORE_NAMESPACE();
//   namespace autodidact::HWY_NAMESPACE { ... bodies ... }
//   HWY_AFTER_NAMESPACE();
//   #if HWY_ONCE
//   namespace autodidact { ... plain bodies, run(Cpu, ...) = for_cpu_class(plain, N_AVX2::body,
//   N_AVX3::body)(p) ... } #endif
#if defined(AUTODIDACT_KERNELS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AUTODIDACT_KERNELS_SIMD_INL_H_
#undef AUTODIDACT_KERNELS_SIMD_INL_H_
#else
#define AUTODIDACT_KERNELS_SIMD_INL_H_
#endif

#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
#include "kernels/types.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using Vec = hn::Vec<F32>;
inline constexpr int kLanes = HWY_TARGET == HWY_AVX3 ? 16 : 8;  // floats in a vector

// float -> float, bf16 -> float (exact), float -> bf16 (nearest even, as types.h).
HWY_INLINE Vec load(const float* p) { return hn::LoadU(F32(), p); }
HWY_INLINE void store(Vec v, float* p) { hn::StoreU(v, F32(), p); }
HWY_INLINE Vec load(const bf16* p) {
  const hn::Rebind<uint16_t, F32> half;
  const hn::RebindToUnsigned<F32> bits;
  auto u = hn::PromoteTo(bits, hn::LoadU(half, reinterpret_cast<const uint16_t*>(p)));
  return hn::BitCast(F32(), hn::ShiftLeft<16>(u));
}
HWY_INLINE void store(Vec v, bf16* p) {
  const hn::Rebind<uint16_t, F32> half;
  const hn::RebindToUnsigned<F32> bits;
  auto u = hn::BitCast(bits, v);
  auto odd = hn::And(hn::ShiftRight<16>(u), hn::Set(bits, 1));
  auto rounded = hn::ShiftRight<16>(hn::Add(u, hn::Add(odd, hn::Set(bits, 0x7fff))));
  auto nan = hn::RebindMask(bits, hn::IsNaN(v));  // Ne(v, v) is an ordered comparison
  auto out = hn::IfThenElse(nan, hn::Set(bits, 0x7fff), rounded);
  hn::StoreU(hn::TruncateTo(half, out), half, reinterpret_cast<uint16_t*>(p));
}
// The first n < kLanes elements; the rest of the vector is zero, and nothing beyond is touched.
template <class T>
HWY_INLINE Vec load_n(const T* p, int n) {
  HWY_ALIGN T buffer[kLanes] = {};
  for (int i = 0; i < n; ++i) buffer[i] = p[i];
  return load(buffer);
}
template <class T>
HWY_INLINE void store_n(Vec v, T* p, int n) {
  HWY_ALIGN T buffer[kLanes];
  store(v, buffer);
  for (int i = 0; i < n; ++i) p[i] = buffer[i];
}

// Lanes are added in the fixed order of a binary tree.
HWY_INLINE float sum(Vec v) { return hn::GetLane(hn::SumOfLanes(F32(), v)); }
HWY_INLINE float max(Vec v) { return hn::GetLane(hn::MaxOfLanes(F32(), v)); }

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
