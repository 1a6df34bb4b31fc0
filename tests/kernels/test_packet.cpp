// The packet functions' errors in ulp against std:: in double, on every kStride-th float of the
// range that matters: the bounds that kernels/packet-inl.h states.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/test_packet.cpp"
#include <hwy/foreach_target.h>
#include "kernels/packet-inl.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {
enum class Function { exp, exp_of_normal, log, tanh, erf, log1p, exp2_of_normal };
void evaluate(Function f, float* y, const float* x, int n) {
  for (int i = 0; i < n; i += kLanes) {
    Packet p = packet(x + i, std::min(kLanes, n - i));
    Packet q = f == Function::exp             ? exp(p)
               : f == Function::exp_of_normal ? exp_of_normal(p)
               : f == Function::log           ? log(p)
               : f == Function::tanh          ? tanh(p)
               : f == Function::erf           ? erf(p)
               : f == Function::log1p         ? log1p(p)
                                              : exp2_of_normal(p);
    store(q, y + i, std::min(kLanes, n - i));
  }
}
}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>
#include "kernels/cpu_class.h"

using namespace autodidact;

namespace {
#ifdef __SANITIZE_ADDRESS__  // arithmetic alone: nothing that a sanitizer watches
constexpr uint32_t kStride = 3331;
#else
constexpr uint32_t kStride = 101;
#endif

// |y - exact| in units of the last place of the float nearest to exact.
double ulps(float y, double exact) {
  float nearest = float(exact);
  double unit = std::nextafter(std::abs(nearest), INFINITY) - std::abs(nearest);
  return std::abs(double(y) - exact) / unit;
}

template <class Exact, class Evaluate>
double worst(float low, float high, Exact exact, Evaluate evaluate) {
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0x7f800000u; bits += kStride)
    for (uint32_t sign : {0u, 0x80000000u}) {
      float f;
      uint32_t b = bits | sign;
      memcpy(&f, &b, 4);
      if (f >= low && f <= high) x.push_back(f);
    }
  std::vector<float> y(x.size());
  evaluate(y.data(), x.data(), int(x.size()));
  double w = 0;
  for (size_t i = 0; i < x.size(); ++i) w = std::max(w, ulps(y[i], exact(double(x[i]))));
  return w;
}

void check_errors(CpuClass c, double (*error)(int function)) {
  if (c > best_cpu_class()) return;
  INFO(std::string(name(c)));
  for (int f = 0; f < 7; ++f) {
    double e = error(f);
    INFO(std::string(name(c)) << " function " << f << ": " << e << " ulp");
    CHECK(e <= (f == int(N_AVX2::Function::log1p) ? 3.0 : 2.0));
  }
}

#define ERRORS(TARGET)                                                               \
  [](int f) {                                                                        \
    auto run = [&](float* y, const float* x, int n) {                                \
      TARGET::evaluate(TARGET::Function(f), y, x, n);                                \
    };                                                                               \
    auto sweep = [&](float low, float high, double (*exact)(double)) {               \
      return worst(low, high, exact, run);                                           \
    };                                                                               \
    return f == 0   ? sweep(-103.0f, 88.7f, [](double x) { return std::exp(x); })    \
           : f == 1 ? sweep(-87.0f, 88.37f, [](double x) { return std::exp(x); })    \
           : f == 2 ? sweep(0x1p-126f, 3e38f, [](double x) { return std::log(x); })  \
           : f == 3 ? sweep(-1e4f, 1e4f, [](double x) { return std::tanh(x); })      \
           : f == 4 ? sweep(-1e4f, 1e4f, [](double x) { return std::erf(x); })       \
           : f == 5 ? sweep(-0.9f, 1e30f, [](double x) { return std::log1p(x); })    \
                    : sweep(-126.0f, 127.5f, [](double x) { return std::exp2(x); }); \
  }
}  // namespace

TEST_CASE("packet functions are within 2 ulp, log1p within 3") {
  check_errors(CpuClass::avx2, ERRORS(N_AVX2));
  check_errors(CpuClass::avx512, ERRORS(N_AVX3));
}

TEST_CASE("exp_of_normal and exp2_of_normal outside of their ranges") {
  float nan;  // all bits set: a payload that must not reach the exponent
  memset(&nan, 0xff, sizeof nan);
  auto check = [&](auto evaluate, float below, float above, double least) {
    const float x[] = {-INFINITY, -1e30f, below, above, 1e30f, INFINITY, nan};
    float y[7];
    evaluate(y, x);
    for (int i : {0, 1, 2}) CHECK(double(y[i]) == doctest::Approx(least).epsilon(1e-6));
    for (int i : {3, 4, 5}) CHECK(y[i] == INFINITY);
    CHECK(std::isnan(y[6]));
  };
  auto check_both = [&](auto evaluate) {
    auto of = [&](auto f) { return [=](float* y, const float* x) { evaluate(f, y, x); }; };
    check(of(0), -87.1f, 88.4f, std::exp(-87.0));
    check(of(1), -126.1f, 127.6f, 0x1p-126);
  };
  using N2 = N_AVX2::Function;
  using N3 = N_AVX3::Function;
  if (best_cpu_class() >= CpuClass::avx2)
    check_both([](int f, float* y, const float* x) {
      N_AVX2::evaluate(f ? N2::exp2_of_normal : N2::exp_of_normal, y, x, 7);
    });
  if (best_cpu_class() >= CpuClass::avx512)
    check_both([](int f, float* y, const float* x) {
      N_AVX3::evaluate(f ? N3::exp2_of_normal : N3::exp_of_normal, y, x, 7);
    });
}
#endif
