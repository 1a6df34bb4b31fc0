// Packs: N neighbours in memory, read and written by instructions of up to 16 bytes. A kernel is
// compiled for whole packs and for N = 1; its host half asks aligned() and the sizes which of the
// two it may use. Device code only.
#pragma once
#include <algorithm>
#include <type_traits>
#include "kernels/scalar.h"

namespace autodidact {

constexpr size_t pack_alignment(size_t bytes) { return bytes < 16 ? bytes : 16; }

template <int N, class T>
struct alignas(pack_alignment(N * sizeof(T))) Pack {
  T v[N];
};
// Elements of the narrowest type in 16 bytes: 4 of float, 8 of bf16. Where a kernel reads float
// beside bf16, a pack of float takes two accesses.
template <class... T>
inline constexpr int kPack = 16 / int(std::min({sizeof(T)...}));

template <int N, class T>
__device__ __forceinline__ Pack<N, T> load(const T* p) {
  return *reinterpret_cast<const Pack<N, T>*>(p);
}
template <int N, class T>
__device__ __forceinline__ void store(T* p, const Pack<N, T>& v) {
  *reinterpret_cast<Pack<N, T>*>(p) = v;
}
// The same, in the type that arithmetic is done in.
template <int N, class T>
__device__ __forceinline__ Pack<N, Acc<T>> load_acc(const T* p) {
  Pack<N, T> narrow = load<N>(p);
  Pack<N, Acc<T>> v;
  for (int k = 0; k < N; ++k) v.v[k] = Acc<T>(narrow.v[k]);
  return v;
}
template <int N, class T>
__device__ __forceinline__ void store_acc(T* p, const Pack<N, Acc<T>>& v) {
  Pack<N, T> narrow;
  for (int k = 0; k < N; ++k) narrow.v[k] = T(v.v[k]);
  store(p, narrow);
}
// The same value N times.
template <int N, class A>
__device__ __forceinline__ Pack<N, A> repeated(A value) {
  Pack<N, A> v;
  for (int k = 0; k < N; ++k) v.v[k] = value;
  return v;
}

// Whether packs of any size may start at each of the addresses. Null counts: it is not read.
template <class... T>
bool aligned(const T*... p) {
  return ((reinterpret_cast<uintptr_t>(p) % 16 == 0) && ...);
}

// f(N as a constant): kWide where packs may be used, otherwise 1.
template <int kWide, class F>
void choose_pack(bool packs, F f) {
  if (packs) f(std::integral_constant<int, kWide>{});
  else f(std::integral_constant<int, 1>{});
}

}  // namespace autodidact
