// Fill, convert and accumulate: what the tensor and the tape need of every element type.
#pragma once
#include "kernels/types.h"

namespace autodidact {

template <class T>
struct Fill {
  T* y;
  int64_t n;
  T value;
};  // y: [n]
template <class To, class From>
struct Convert {
  To* y;
  const From* x;
  int64_t n;
};  // y, x: [n]; float -> bf16 rounds to nearest even
template <class T>
struct Accumulate {
  T* y;
  const T* x;
  int64_t n;
};  // y += x; y, x: [n]

template <class T>
void run(Cpu, Fill<T>);  // float, bf16, double, int32_t, int64_t, uint8_t
template <class To, class From>
void run(Cpu, Convert<To, From>);  // between float, bf16 and double
template <class T>
void run(Cpu, Accumulate<T>);  // float, bf16, double

}  // namespace autodidact
