// Elementwise kernels on the CPU: one loop over packets (map_packets), into which each kernel hands
// its formula; below it the plain bodies, and the choice between them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise.cpp"
#include <hwy/foreach_target.h>
#include "kernels/packet-inl.h"
#include "kernels/cpu_class.h"
#include "kernels/elementwise.h"
#include "kernels/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// f(i, lanes) for every packet of [0, n).
template <class F>
void map_packets(int64_t n, F f) {
  parallel_for(n, kElementGrain,
               [&](int64_t begin, int64_t end) HWY_ATTR { for_packets(begin, end, f); });
}

// f(i, j, lanes): the same with j = i % period, the packets not crossing a multiple of the period.
template <class F>
void map_packets(int64_t n, int64_t period, F f) {
  if (period == n) return map_packets(n, [&](int64_t i, int lanes) HWY_ATTR { f(i, i, lanes); });
  int64_t grain = period < kElementGrain ? kElementGrain / period : 1;
  parallel_for(n / period, grain, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t r = begin; r < end; ++r)
      for_packets(0, period, [&](int64_t j, int lanes) HWY_ATTR { f(r * period + j, j, lanes); });
  });
}

template <class Op, class T>
void body(UnaryForward<Op, T> p) {
  map_packets(p.n, [=](int64_t i, int lanes) HWY_ATTR {
    store(ForPackets<Op>::f(packet(p.x + i, lanes)), p.y + i, lanes);
  });
}

template <class Op, class T>
void body(UnaryBackward<Op, T> p) {
  map_packets(p.n, [=](int64_t i, int lanes) HWY_ATTR {
    Packet x(0), y(0);
    if constexpr (Op::kNeeds == autodidact::Needs::x) x = packet(p.x + i, lanes);
    if constexpr (Op::kNeeds == autodidact::Needs::y) y = packet(p.y + i, lanes);
    store(chain_rule<ForPackets<Op>>(packet(p.dy + i, lanes), x, y), p.dx + i, lanes);
  });
}

template <class Op, class T>
void body(BinaryForward<Op, T> p) {
  using F = ForPackets<Op>;
  if (p.period == 1) {
    Packet b(double(*p.b));
    return map_packets(p.n, [=](int64_t i, int lanes) HWY_ATTR {
      store(F::f(packet(p.a + i, lanes), b), p.z + i, lanes);
    });
  }
  map_packets(p.n, p.period, [=](int64_t i, int64_t j, int lanes) HWY_ATTR {
    store(F::f(packet(p.a + i, lanes), packet(p.b + j, lanes)), p.z + i, lanes);
  });
}

template <class Op, class T>
void body(BinaryBackward<Op, T> p) {
  auto write = [=](int64_t i, Packet b, int lanes) HWY_ATTR {
    using F = ForPackets<Op>;
    Packet dz = packet(p.dz + i, lanes), a = packet(p.a + i, lanes);
    if (p.da) store(dz * F::da(a, b), p.da + i, lanes);
    if (p.db) store(dz * F::db(a, b), p.db + i, lanes);
  };
  if (p.period == 1) {
    Packet b(double(*p.b));
    return map_packets(p.n, [=](int64_t i, int lanes) HWY_ATTR { write(i, b, lanes); });
  }
  map_packets(p.n, p.period, [=](int64_t i, int64_t j, int lanes) HWY_ATTR {
    write(i, packet(p.b + j, lanes), lanes);
  });
}

template <class T>
void body(ScaleShift<T> p) {
  Packet scale(p.scale), shift(p.shift);
  map_packets(p.n, [=](int64_t i, int lanes) HWY_ATTR {
    store(fma(scale, packet(p.x + i, lanes), shift), p.y + i, lanes);
  });
}

template <class T>
void body(ScaleBy<T> p) {
  Packet s(double(*p.s));
  map_packets(p.n, [=](int64_t i, int lanes)
                       HWY_ATTR { store(s * packet(p.x + i, lanes), p.y + i, lanes); });
}

template <class T>
void body(BiasAdd<T> p) {
  map_packets(p.rows * p.cols, p.cols, [=](int64_t i, int64_t j, int lanes) HWY_ATTR {
    store(packet(p.x + i, lanes) + packet(p.bias + j, lanes), p.y + i, lanes);
  });
}

template <class To, class From>
void body(Cast<To, From> p) {
  map_packets(
      p.n, [=](int64_t i, int lanes) HWY_ATTR { store(packet(p.x + i, lanes), p.y + i, lanes); });
}

template <class T>
void body(Accumulate<T> p) {
  map_packets(p.n, [=](int64_t i, int lanes) HWY_ATTR {
    store(packet(p.y + i, lanes) + packet(p.x + i, lanes), p.y + i, lanes);
  });
}

template <class T>
void body(Fill<T> p) {
  Packet value(p.value);
  map_packets(p.n, [=](int64_t i, int lanes) HWY_ATTR { store(value, p.y + i, lanes); });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class F>
void map(int64_t n, F f) {
  parallel_for(n, kElementGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i);
  });
}

template <class Op, class T>
void body(UnaryForward<Op, T> p) {
  map(p.n, [=](int64_t i) { p.y[i] = T(Op::f(Acc<T>(p.x[i]))); });
}
template <class Op, class T>
void body(UnaryBackward<Op, T> p) {
  using A = Acc<T>;
  map(p.n, [=](int64_t i) {
    A x = Op::kNeeds == Needs::x ? A(p.x[i]) : A(0), y = Op::kNeeds == Needs::y ? A(p.y[i]) : A(0);
    p.dx[i] = T(chain_rule<Op>(A(p.dy[i]), x, y));
  });
}
template <class Op, class T>
void body(BinaryForward<Op, T> p) {
  map(p.n, [=](int64_t i) { p.z[i] = T(Op::f(Acc<T>(p.a[i]), Acc<T>(p.b[i % p.period]))); });
}
template <class Op, class T>
void body(BinaryBackward<Op, T> p) {
  using A = Acc<T>;
  map(p.n, [=](int64_t i) {
    A dz = A(p.dz[i]), a = A(p.a[i]), b = A(p.b[i % p.period]);
    if (p.da) p.da[i] = T(dz * Op::da(a, b));
    if (p.db) p.db[i] = T(dz * Op::db(a, b));
  });
}
template <class T>
void body(ScaleShift<T> p) {
  using A = Acc<T>;
  map(p.n, [=](int64_t i) { p.y[i] = T(fma(A(p.scale), A(p.x[i]), A(p.shift))); });
}
template <class T>
void body(ScaleBy<T> p) {
  map(p.n, [=](int64_t i) { p.y[i] = T(*p.s * Acc<T>(p.x[i])); });
}
template <class T>
void body(BiasAdd<T> p) {
  map(p.rows * p.cols, [=](int64_t i) { p.y[i] = T(Acc<T>(p.x[i]) + p.bias[i % p.cols]); });
}
template <class To, class From>
void body(Cast<To, From> p) {
  map(p.n, [=](int64_t i) { p.y[i] = To(Acc<To>(Acc<From>(p.x[i]))); });
}
template <class T>
void body(Accumulate<T> p) {
  map(p.n, [=](int64_t i) { p.y[i] = T(Acc<T>(p.y[i]) + Acc<T>(p.x[i])); });
}
template <class T>
void body(Fill<T> p) {
  map(p.n, [=](int64_t i) { p.y[i] = T(Acc<T>(p.value)); });
}

}  // namespace plain

template <class T, class P>
void choose(P p) {
  if constexpr (std::is_same_v<T, double>) plain::body(p);
  else for_cpu_class<void(P)>(plain::body, N_AVX2::body, N_AVX3::body)(p);
}

template <class Op, class T>
void run(Cpu, UnaryForward<Op, T> p) {
  choose<T>(p);
}
template <class Op, class T>
void run(Cpu, UnaryBackward<Op, T> p) {
  choose<T>(p);
}
template <class Op, class T>
void run(Cpu, BinaryForward<Op, T> p) {
  choose<T>(p);
}
template <class Op, class T>
void run(Cpu, BinaryBackward<Op, T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, ScaleShift<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, ScaleBy<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, BiasAdd<T> p) {
  choose<T>(p);
}
template <class To, class From>
void run(Cpu, Cast<To, From> p) {
  choose<std::conditional_t<std::is_same_v<To, double>, To, From>>(p);
}
template <class T>
void run(Cpu, Accumulate<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, Fill<T> p) {
  choose<T>(p);
}
void run(Cpu, Increment p) { ++*p.y; }

#define UNARY(Op)                                   \
  template void run(Cpu, UnaryForward<Op, float>);  \
  template void run(Cpu, UnaryForward<Op, bf16>);   \
  template void run(Cpu, UnaryForward<Op, double>); \
  template void run(Cpu, UnaryBackward<Op, float>); \
  template void run(Cpu, UnaryBackward<Op, bf16>);  \
  template void run(Cpu, UnaryBackward<Op, double>);
UNARY_OPS(UNARY)
#define BINARY(Op)                                   \
  template void run(Cpu, BinaryForward<Op, float>);  \
  template void run(Cpu, BinaryForward<Op, bf16>);   \
  template void run(Cpu, BinaryForward<Op, double>); \
  template void run(Cpu, BinaryBackward<Op, float>); \
  template void run(Cpu, BinaryBackward<Op, bf16>);  \
  template void run(Cpu, BinaryBackward<Op, double>);
BINARY_OPS(BINARY)

template void run(Cpu, ScaleShift<float>);
template void run(Cpu, ScaleShift<bf16>);
template void run(Cpu, ScaleShift<double>);
template void run(Cpu, ScaleBy<float>);
template void run(Cpu, ScaleBy<bf16>);
template void run(Cpu, ScaleBy<double>);
template void run(Cpu, BiasAdd<float>);
template void run(Cpu, BiasAdd<bf16>);
template void run(Cpu, BiasAdd<double>);
template void run(Cpu, Cast<float, bf16>);
template void run(Cpu, Cast<bf16, float>);
template void run(Cpu, Cast<float, double>);
template void run(Cpu, Cast<double, float>);
template void run(Cpu, Cast<bf16, double>);
template void run(Cpu, Cast<double, bf16>);
template void run(Cpu, Accumulate<float>);
template void run(Cpu, Accumulate<bf16>);
template void run(Cpu, Accumulate<double>);
template void run(Cpu, Fill<float>);
template void run(Cpu, Fill<bf16>);
template void run(Cpu, Fill<double>);

}  // namespace autodidact
#endif
