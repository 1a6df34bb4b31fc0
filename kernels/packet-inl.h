// Packet: a SIMD vector of floats with the operators and functions that functors.h asks for, and
// functors.h itself read for packets. Included once per CPU class, after simd-inl.h has shown how.
// The functions are ours because Highway's exp drops NaN, and it has no erf. Largest errors, as
// tests/kernels/test_packet.cpp measures them on every 101st float: exp, log, tanh and erf 2
// ulp, log1p 3 (a logarithm, a quotient and a product); coefficients are minimax fits to the exact
// functions.
#if defined(AUTODIDACT_KERNELS_PACKET_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef AUTODIDACT_KERNELS_PACKET_INL_H_
#undef AUTODIDACT_KERNELS_PACKET_INL_H_
#else
#define AUTODIDACT_KERNELS_PACKET_INL_H_
#endif

#include "kernels/simd-inl.h"
#include "kernels/scalar.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

using Mask = hn::Mask<F32>;

struct Packet {
  Vec v;
  Packet() = default;
  HWY_INLINE explicit Packet(Vec x) : v(x) {}
  HWY_INLINE explicit Packet(double c) : v(hn::Set(F32(), float(c))) {}
};

HWY_INLINE Packet operator+(Packet a, Packet b) { return Packet(hn::Add(a.v, b.v)); }
HWY_INLINE Packet operator-(Packet a, Packet b) { return Packet(hn::Sub(a.v, b.v)); }
HWY_INLINE Packet operator*(Packet a, Packet b) { return Packet(hn::Mul(a.v, b.v)); }
HWY_INLINE Packet operator/(Packet a, Packet b) { return Packet(hn::Div(a.v, b.v)); }
HWY_INLINE Packet operator-(Packet a) { return Packet(hn::Neg(a.v)); }
HWY_INLINE Mask operator<(Packet a, Packet b) { return hn::Lt(a.v, b.v); }
HWY_INLINE Mask operator>(Packet a, Packet b) { return hn::Gt(a.v, b.v); }
HWY_INLINE Mask operator<=(Packet a, Packet b) { return hn::Le(a.v, b.v); }
HWY_INLINE Mask operator>=(Packet a, Packet b) { return hn::Ge(a.v, b.v); }
HWY_INLINE Packet select(Mask c, Packet yes, Packet no) {
  return Packet(hn::IfThenElse(c, yes.v, no.v));
}
HWY_INLINE Packet fma(Packet a, Packet b, Packet c) { return Packet(hn::MulAdd(a.v, b.v, c.v)); }
HWY_INLINE Packet sqrt(Packet a) { return Packet(hn::Sqrt(a.v)); }
HWY_INLINE Packet abs(Packet a) { return Packet(hn::Abs(a.v)); }
// As scalar.h: the second argument where the comparison fails.
HWY_INLINE Packet max(Packet a, Packet b) { return Packet(hn::Max(a.v, b.v)); }
HWY_INLINE Packet min(Packet a, Packet b) { return Packet(hn::Min(a.v, b.v)); }

// c0 + c1 x + c2 x^2 + ..., by Horner's rule.
HWY_INLINE Packet polynomial(Packet, double c) { return Packet(c); }
template <class... C>
HWY_INLINE Packet polynomial(Packet x, double c, C... higher) {
  return fma(polynomial(x, higher...), x, Packet(c));
}

// e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2. This is e^r, given x and n.
HWY_INLINE Packet exp_of_rest(Packet x, Packet n) {
  Packet r = fma(n, Packet(-0.693359375), x);  // ln 2 in two parts: the first product is exact
  r = fma(n, Packet(2.12194440054690583e-4), r);
  return fma(r * r, polynomial(r, 0.5, 0.16666512, 0.041666187, 0.008369599, 0.0013951717), r) +
         Packet(1);
}
// The power is applied in two halves, so that results below the smallest normal number are right
// too.
HWY_INLINE Packet exp(Packet x) {
  const hn::RebindToSigned<F32> integers;
  x = min(Packet(89.0), max(Packet(-104.0), x));  // in this order a NaN passes
  Packet n(hn::Round((x * Packet(1.44269504088896340736)).v));
  Packet e = exp_of_rest(x, n);
  auto k = hn::ConvertTo(integers, n.v), half = hn::ShiftRight<1>(k);
  auto power = [&](auto i) HWY_ATTR {
    return Packet(hn::BitCast(F32(), hn::ShiftLeft<23>(hn::Add(i, hn::Set(integers, 127)))));
  };
  return e * power(half) * power(hn::Sub(k, half));
}

// exp for sums of many, in half of the instructions: e^-87 = 1.6e-38 for all x below, infinity for
// all x above 88.38.
HWY_INLINE Packet exp_of_normal(Packet x) {
  const hn::RebindToUnsigned<F32> integers;
  x = min(Packet(89.0), max(Packet(-87.0), x));
  // Beside 1.5 * 2^23 there is room for the whole numbers only: the sum rounds to one, and its last
  // bits are it.
  constexpr double kWholes = 12582912;
  Packet rounded = fma(x, Packet(1.44269504088896340736), Packet(kWholes));
  auto power = hn::ShiftLeft<23>(hn::Add(hn::BitCast(integers, rounded.v), hn::Set(integers, 127)));
  return exp_of_rest(x, rounded - Packet(kWholes)) * Packet(hn::BitCast(F32(), power));
}

// 2^x in the same manner: 2^-126 for all x below, infinity for all x above 127.5.
HWY_INLINE Packet exp2_of_normal(Packet x) {
  const hn::RebindToUnsigned<F32> integers;
  x = min(Packet(128.0), max(Packet(-126.0), x));
  constexpr double kWholes = 12582912 + 127;  // the last bits are the power's exponent at once
  Packet rounded = x + Packet(kWholes);
  Packet r = x - (rounded - Packet(kWholes));
  Packet power(hn::BitCast(F32(), hn::ShiftLeft<23>(hn::BitCast(integers, rounded.v))));
  return polynomial(r, 1, 0.693147, 0.24022247, 0.055507336, 0.009671681, 0.0013264727) * power;
}

HWY_INLINE Packet log(Packet x) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  Packet y(hn::Log(F32(), x.v));
  y = select(x < Packet(kInf), y, x);  // infinity and NaN stay
  return select(x > Packet(0), y,
                select(x < Packet(0), Packet(kNan), select(x >= Packet(0), Packet(-kInf), x)));
}

// log(1 + x) for finite x > -1: log(u), u = 1 + x rounded, corrected by x / (u - 1) for what the
// rounding lost (Kahan's way).
HWY_INLINE Packet log1p(Packet x) {
  Packet u = x + Packet(1), d = u - Packet(1), y = log(u) * (x / d);
  return select(d > Packet(0), y, select(d < Packet(0), y, x));
}

// Odd polynomial below 0.625, 1 - 2 / (e^2x + 1) above.
HWY_INLINE Packet tanh(Packet x) {
  Packet t = abs(x), s = x * x;
  Packet small = fma(
      x * s, polynomial(s, -0.33333284, 0.13331491, -0.053743497, 0.020650579, -0.005717037), x);
  Packet large = Packet(1) - Packet(2) / (exp(t + t) + Packet(1));
  return select(t <= Packet(0.625), small, Packet(hn::CopySign(large.v, x.v)));
}

// Odd polynomial below 1; above, 1 - erfc with log(erfc) + t as a polynomial; 1 beyond 4.
HWY_INLINE Packet erf(Packet x) {
  Packet t = abs(x), s = x * x;
  Packet small = fma(x,
                     polynomial(s, 0.12837917, -0.37612626, 0.112836, -0.026854444, 0.005189535,
                                -0.0008020841, 7.889119e-05),
                     x);
  Packet u = min(Packet(4.0), t);
  Packet q = polynomial(u, 0.12869434, 0.63496953, 0.10653087, -0.02401007, 0.0037574768,
                        -0.00035059205, 1.3962444e-05);
  Packet large = Packet(1) - exp(-fma(u, q, u));
  return select(t <= Packet(1), small, Packet(hn::CopySign(large.v, x.v)));
}

#include "kernels/functors.h"

// The packet formula of a scalar one.
template <class Op>
struct PacketFormula;
#define PACKET_FORMULA(Op)               \
  template <>                            \
  struct PacketFormula<autodidact::Op> { \
    using type = Op;                     \
  };
UNARY_OPS(PACKET_FORMULA)
BINARY_OPS(PACKET_FORMULA)
#undef PACKET_FORMULA
template <class Op>
using ForPackets = typename PacketFormula<Op>::type;

template <class T>
HWY_INLINE Packet packet(const T* p) {
  return Packet(load(p));
}
template <class T>
HWY_INLINE Packet packet(const T* p, int n) {
  return Packet(n == kLanes ? load(p) : load_n(p, n));
}
template <class T>
HWY_INLINE void store(Packet x, T* p) {
  store(x.v, p);
}
template <class T>
HWY_INLINE void store(Packet x, T* p, int n) {
  if (n == kLanes) store(x.v, p);
  else store_n(x.v, p, n);
}
// x with zeros from lane n on.
HWY_INLINE Packet first(Packet x, int n) {
  return n == kLanes ? x : Packet(hn::IfThenElseZero(hn::FirstN(F32(), size_t(n)), x.v));
}
HWY_INLINE float sum(Packet x) { return sum(x.v); }

// f(i, lanes) for each packet of [begin, end): lanes is kLanes but for the last one.
template <class F>
HWY_INLINE void for_packets(int64_t begin, int64_t end, F&& f) {
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) f(i, kLanes);
  if (i < end) f(i, int(end - i));
}

template <class T>
float dot(const T* a, const T* b, int n) {
  Packet total(0);
  for_packets(0, n, [&](int64_t i, int lanes) HWY_ATTR {
    total = fma(packet(a + i, lanes), packet(b + i, lanes), total);
  });
  return sum(total);
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
