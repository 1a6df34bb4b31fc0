// Element types of the kernels: float, bf16 (storage only: arithmetic is in float) and double (the
// plain bodies, for gradient checks). Acc<T> is the type sums, statistics and parameter gradients
// are kept in.
#pragma once
#include <cstring>
#include "kernels/platform.h"

namespace autodidact {

// bfloat16: the upper half of a float, rounded to nearest even.
struct bf16 {
  uint16_t bits;
  bf16() = default;
  HD explicit bf16(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    // Without the NaN test the carry of 0xffffffff would wrap to zero.
    bits = f != f ? uint16_t(0x7fff) : uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  HD operator float() const {
    uint32_t u = uint32_t(bits) << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
  }
};

template <class T>
struct AccOf {
  using type = float;
};
template <>
struct AccOf<double> {
  using type = double;
};
template <class T>
using Acc = typename AccOf<T>::type;

}  // namespace autodidact
