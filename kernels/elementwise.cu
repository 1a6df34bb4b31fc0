// Elementwise kernels on CUDA: one grid-stride loop for all of them. A thread takes 16 bytes of
// neighbours at a time where addresses and period allow it.
#include "kernels/elementwise.h"
#include "kernels/pack.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256, kMostBlocks = 1024;

// apply<N>(p, i): elements i .. i + N - 1 of kernel p.

template <int N, class Op, class T>
__device__ void apply(const UnaryForward<Op, T>& p, int64_t i) {
  auto x = load<N>(p.x + i);
  Pack<N, T> y;
  for (int k = 0; k < N; ++k) y.v[k] = T(Op::f(Acc<T>(x.v[k])));
  store(p.y + i, y);
}

template <int N, class Op, class T>
__device__ void apply(const UnaryBackward<Op, T>& p, int64_t i) {
  auto dy = load<N>(p.dy + i);
  Pack<N, T> x{}, y{}, dx;
  if constexpr (Op::kNeeds == Needs::x) x = load<N>(p.x + i);
  if constexpr (Op::kNeeds == Needs::y) y = load<N>(p.y + i);
  for (int k = 0; k < N; ++k)
    dx.v[k] = T(chain_rule<Op>(Acc<T>(dy.v[k]), Acc<T>(x.v[k]), Acc<T>(y.v[k])));
  store(p.dx + i, dx);
}

// b[i % period], N of them: period is a multiple of N, or 1.
template <int N, class T>
__device__ __forceinline__ Pack<N, T> load_repeated(const T* b, int64_t i, int64_t period) {
  // A 64-bit remainder takes about a hundred instructions.
  constexpr int64_t kWord = int64_t(1) << 32;
  if (period > 1 && i < kWord && period < kWord) return load<N>(b + uint32_t(i) % uint32_t(period));
  if (period > 1) return load<N>(b + i % period);
  Pack<N, T> v;
  for (int k = 0; k < N; ++k) v.v[k] = *b;
  return v;
}

template <int N, class Op, class T>
__device__ void apply(const BinaryForward<Op, T>& p, int64_t i) {
  auto a = load<N>(p.a + i), b = load_repeated<N>(p.b, i, p.period);
  Pack<N, T> z;
  for (int k = 0; k < N; ++k) z.v[k] = T(Op::f(Acc<T>(a.v[k]), Acc<T>(b.v[k])));
  store(p.z + i, z);
}

template <int N, class Op, class T>
__device__ void apply(const BinaryBackward<Op, T>& p, int64_t i) {
  auto dz = load<N>(p.dz + i), a = load<N>(p.a + i), b = load_repeated<N>(p.b, i, p.period);
  Pack<N, T> da, db;
  for (int k = 0; k < N; ++k) {
    Acc<T> g(dz.v[k]), left(a.v[k]), right(b.v[k]);
    da.v[k] = T(g * Op::da(left, right));
    db.v[k] = T(g * Op::db(left, right));
  }
  if (p.da) store(p.da + i, da);
  if (p.db) store(p.db + i, db);
}

template <int N, class T>
__device__ void apply(const ScaleShift<T>& p, int64_t i) {
  auto x = load<N>(p.x + i);
  Pack<N, T> y;
  for (int k = 0; k < N; ++k) y.v[k] = T(fma(Acc<T>(p.scale), Acc<T>(x.v[k]), Acc<T>(p.shift)));
  store(p.y + i, y);
}

template <int N, class T>
__device__ void apply(const ScaleBy<T>& p, int64_t i) {
  auto x = load<N>(p.x + i);
  Pack<N, T> y;
  for (int k = 0; k < N; ++k) y.v[k] = T(*p.s * Acc<T>(x.v[k]));
  store(p.y + i, y);
}

template <int N, class T>
__device__ void apply(const BiasAdd<T>& p, int64_t i) {
  auto x = load<N>(p.x + i);
  auto bias = load_repeated<N>(p.bias, i, p.cols);
  Pack<N, T> y;
  for (int k = 0; k < N; ++k) y.v[k] = T(Acc<T>(x.v[k]) + bias.v[k]);
  store(p.y + i, y);
}

template <int N, class To, class From>
__device__ void apply(const Cast<To, From>& p, int64_t i) {
  auto x = load<N>(p.x + i);
  Pack<N, To> y;
  for (int k = 0; k < N; ++k) y.v[k] = To(Acc<From>(x.v[k]));
  store(p.y + i, y);
}

template <int N, class T>
__device__ void apply(const Accumulate<T>& p, int64_t i) {
  auto x = load<N>(p.x + i), y = load<N>(p.y + i);
  for (int k = 0; k < N; ++k) y.v[k] = T(Acc<T>(y.v[k]) + Acc<T>(x.v[k]));
  store(p.y + i, y);
}

template <int N, class T>
__device__ void apply(const Fill<T>& p, int64_t i) {
  Pack<N, T> y;
  for (int k = 0; k < N; ++k) y.v[k] = T(Acc<T>(p.value));
  store(p.y + i, y);
}

template <int N, class P>
__global__ void elementwise_kernel(P p, int64_t n) {
  int64_t step = int64_t(gridDim.x) * blockDim.x * N;
  for (int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * N; i < n; i += step)
    if (i + N <= n) {
      apply<N>(p, i);
    } else {
      NO_UNROLL
      for (int64_t rest = i; rest < n; ++rest) apply<1>(p, rest);
    }
}

__global__ void increment_kernel(Increment p) { ++*p.y; }

template <int kWide, class P>
void map(Cuda queue, const P& p, int64_t n, bool packs) {
  if (n == 0) return;
  choose_pack<kWide>(packs, [&](auto pack) {
    int64_t in_block = int64_t(kThreads) * pack();
    dim3 grid(unsigned(std::min<int64_t>((n + in_block - 1) / in_block, kMostBlocks)));
    launch(queue, grid, kThreads, 0, elementwise_kernel<pack(), P>, p, n);
  });
}

// Whether packs of T may read b[i % period].
template <class T, class B>
bool repeats_in_packs(const B* b, int64_t period) {
  return period == 1 || (aligned(b) && period % kPack<T> == 0);
}

}  // namespace

template <class Op, class T>
void run(Cuda queue, UnaryForward<Op, T> p) {
  map<kPack<T>>(queue, p, p.n, aligned(p.y, p.x));
}
template <class Op, class T>
void run(Cuda queue, UnaryBackward<Op, T> p) {
  map<kPack<T>>(queue, p, p.n,
                aligned(p.dx, p.dy, Op::kNeeds == Needs::x ? p.x : nullptr,
                        Op::kNeeds == Needs::y ? p.y : nullptr));
}
template <class Op, class T>
void run(Cuda queue, BinaryForward<Op, T> p) {
  map<kPack<T>>(queue, p, p.n, aligned(p.z, p.a) && repeats_in_packs<T>(p.b, p.period));
}
template <class Op, class T>
void run(Cuda queue, BinaryBackward<Op, T> p) {
  map<kPack<T>>(queue, p, p.n,
                aligned(p.da, p.db, p.dz, p.a) && repeats_in_packs<T>(p.b, p.period));
}
template <class T>
void run(Cuda queue, ScaleShift<T> p) {
  map<kPack<T>>(queue, p, p.n, aligned(p.y, p.x));
}
template <class T>
void run(Cuda queue, ScaleBy<T> p) {
  map<kPack<T>>(queue, p, p.n, aligned(p.y, p.x));
}
template <class T>
void run(Cuda queue, BiasAdd<T> p) {
  map<kPack<T>>(queue, p, p.rows * p.cols,
                aligned(p.y, p.x) && repeats_in_packs<T>(p.bias, p.cols));
}
template <class To, class From>
void run(Cuda queue, Cast<To, From> p) {
  map<kPack<To, From>>(queue, p, p.n, aligned(p.y, p.x));
}
template <class T>
void run(Cuda queue, Accumulate<T> p) {
  map<kPack<T>>(queue, p, p.n, aligned(p.y, p.x));
}
template <class T>
void run(Cuda queue, Fill<T> p) {
  map<kPack<T>>(queue, p, p.n, aligned(p.y));
}
void run(Cuda queue, Increment p) { launch(queue, 1, 1, 0, increment_kernel, p); }

#define UNARY(Op)                                    \
  template void run(Cuda, UnaryForward<Op, float>);  \
  template void run(Cuda, UnaryForward<Op, bf16>);   \
  template void run(Cuda, UnaryBackward<Op, float>); \
  template void run(Cuda, UnaryBackward<Op, bf16>);
UNARY_OPS(UNARY)
#define BINARY(Op)                                    \
  template void run(Cuda, BinaryForward<Op, float>);  \
  template void run(Cuda, BinaryForward<Op, bf16>);   \
  template void run(Cuda, BinaryBackward<Op, float>); \
  template void run(Cuda, BinaryBackward<Op, bf16>);
BINARY_OPS(BINARY)

template void run(Cuda, ScaleShift<float>);
template void run(Cuda, ScaleShift<bf16>);
template void run(Cuda, ScaleBy<float>);
template void run(Cuda, ScaleBy<bf16>);
template void run(Cuda, BiasAdd<float>);
template void run(Cuda, BiasAdd<bf16>);
template void run(Cuda, Cast<float, bf16>);
template void run(Cuda, Cast<bf16, float>);
template void run(Cuda, Accumulate<float>);
template void run(Cuda, Accumulate<bf16>);
template void run(Cuda, Fill<float>);
template void run(Cuda, Fill<bf16>);

}  // namespace autodidact
