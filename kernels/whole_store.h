// store_acc() of a pack by one instruction, for where nvcc would take it apart: nvcc 13 stores dx
// of LayerNorm's backward pass element by element for sm_80 and sm_90, even as a float4. Device
// code only; to the emulator every store of a pack is one.
#pragma once
#include "kernels/pack.h"

namespace autodidact {

template <int N, class T>
__device__ __forceinline__ void store_acc_whole(T* p, const Pack<N, Acc<T>>& v) {
#if !defined(EMULATE_CUDA)
  if constexpr (N * sizeof(T) == sizeof(uint4)) {
    Pack<N, T> narrow;
    for (int k = 0; k < N; ++k) narrow.v[k] = T(v.v[k]);
    uint4 whole;
    memcpy(&whole, &narrow, sizeof(whole));
    __stwb(reinterpret_cast<uint4*>(p), whole);
    return;
  }
#endif
  store_acc<N>(p, v);
}

}  // namespace autodidact
