// Scalars (float and double, host and device) as the formulas of functors.h see them: one overload
// per function, so that a formula says exp(x) and never chooses a precision. packet-inl.h offers
// the same names for a SIMD vector.
#pragma once
#include <cmath>
#include "kernels/types.h"

namespace autodidact {

HD float exp(float x) { return ::expf(x); }
HD double exp(double x) { return ::exp(x); }
HD float log(float x) { return ::logf(x); }
HD double log(double x) { return ::log(x); }
HD float log1p(float x) { return ::log1pf(x); }
HD double log1p(double x) { return ::log1p(x); }
HD float tanh(float x) { return ::tanhf(x); }
HD double tanh(double x) { return ::tanh(x); }
HD float erf(float x) { return ::erff(x); }
HD double erf(double x) { return ::erf(x); }
HD float sqrt(float x) { return ::sqrtf(x); }
HD double sqrt(double x) { return ::sqrt(x); }
HD float abs(float x) { return ::fabsf(x); }
HD double abs(double x) { return ::fabs(x); }
HD float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
HD double fma(double a, double b, double c) { return ::fma(a, b, c); }
// The second argument where the comparison fails: max(NaN, 0) is 0 and max(0, NaN) is NaN, as the
// x86 and packet instructions have it.
HD float max(float a, float b) { return a > b ? a : b; }
HD double max(double a, double b) { return a > b ? a : b; }
HD float min(float a, float b) { return a < b ? a : b; }
HD double min(double a, double b) { return a < b ? a : b; }
HD float select(bool c, float yes, float no) { return c ? yes : no; }
HD double select(bool c, double yes, double no) { return c ? yes : no; }

#include "kernels/functors.h"

namespace plain {

template <class T>
Acc<T> dot(const T* a, const T* b, int n) {
  Acc<T> total = 0;
  for (int i = 0; i < n; ++i) total += Acc<T>(a[i]) * Acc<T>(b[i]);
  return total;
}

}  // namespace plain
}  // namespace autodidact
