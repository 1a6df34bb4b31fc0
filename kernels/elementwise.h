// Elementwise kernels: a unary or binary formula of functors.h over n elements, and the few maps
// that are no formula (scale, bias, cast, accumulate). T: float, bf16, double.
#pragma once
#include "kernels/scalar.h"

namespace autodidact {

// Elements in a chunk: a few arrays of them lie in a core's L2 cache.
inline constexpr int64_t kElementGrain = 16384;

// y = f(x).   y, x: [n]; y may be x
template <class Op, class T>
struct UnaryForward {
  T* y;
  const T* x;
  int64_t n;
};
// dx = dy f'(x, y).   x and y: only the one that Op::kNeeds names is read. dx may be dy
template <class Op, class T>
struct UnaryBackward {
  T* dx;
  const T *dy, *x, *y;
  int64_t n;
};

// z[i] = f(a[i], b[i % period]).   z, a: [n]; b: [period], period divides n: n for equal shapes,
// the last dimension's size for a row, 1 for a scalar
template <class Op, class T>
struct BinaryForward {
  T* z;
  const T *a, *b;
  int64_t n, period;
};
// da = dz df/da, db = dz df/db, both [n]: for period < n the caller sums db over the repetitions.
// A null output is not wanted.
template <class Op, class T>
struct BinaryBackward {
  T *da, *db;
  const T *dz, *a, *b;
  int64_t n, period;
};

// y = scale x + shift, both numbers known on the host.   y, x: [n]; y may be x
template <class T>
struct ScaleShift {
  T* y;
  const T* x;
  int64_t n;
  double scale, shift;
};
// y = s[0] x.   s: [1], in the queue's memory
template <class T>
struct ScaleBy {
  T* y;
  const T* x;
  const Acc<T>* s;
  int64_t n;
};
// y[r, c] = x[r, c] + bias[c].   y, x: [rows, cols]; bias: [cols]; y may be x
template <class T>
struct BiasAdd {
  T* y;
  const T* x;
  const Acc<T>* bias;
  int64_t rows;
  int cols;
};
// y = x in another type, rounded to nearest even.   y, x: [n]
template <class To, class From>
struct Cast {
  To* y;
  const From* x;
  int64_t n;
};
// y += x: the tape's addition of gradients.   y, x: [n]
template <class T>
struct Accumulate {
  T* y;
  const T* x;
  int64_t n;
};
// y = value.   y: [n]
template <class T>
struct Fill {
  T* y;
  int64_t n;
  double value;
};

// y += 1: counts steps where they are replayed.
struct Increment {
  int64_t* y;  // [1]
};

template <class Op, class T>
void run(Cpu, UnaryForward<Op, T>);
template <class Op, class T>
void run(Cpu, UnaryBackward<Op, T>);
template <class Op, class T>
void run(Cpu, BinaryForward<Op, T>);
template <class Op, class T>
void run(Cpu, BinaryBackward<Op, T>);
template <class T>
void run(Cpu, ScaleShift<T>);
template <class T>
void run(Cpu, ScaleBy<T>);
template <class T>
void run(Cpu, BiasAdd<T>);
template <class To, class From>
void run(Cpu, Cast<To, From>);
template <class T>
void run(Cpu, Accumulate<T>);
template <class T>
void run(Cpu, Fill<T>);
void run(Cpu, Increment);
template <class Op, class T>
void run(Cuda, UnaryForward<Op, T>);
template <class Op, class T>
void run(Cuda, UnaryBackward<Op, T>);
template <class Op, class T>
void run(Cuda, BinaryForward<Op, T>);
template <class Op, class T>
void run(Cuda, BinaryBackward<Op, T>);
template <class T>
void run(Cuda, ScaleShift<T>);
template <class T>
void run(Cuda, ScaleBy<T>);
template <class T>
void run(Cuda, BiasAdd<T>);
template <class To, class From>
void run(Cuda, Cast<To, From>);
template <class T>
void run(Cuda, Accumulate<T>);
template <class T>
void run(Cuda, Fill<T>);
void run(Cuda, Increment);

}  // namespace autodidact
