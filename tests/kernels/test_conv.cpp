// Convolution forward, gradient of the input, gradients of weights and bias, against the plain
// bodies in double within the rounding bound of the sum: kernels 1 to 7, strides, padding,
// dilation, odd sizes and channel counts, on every CPU class the machine has; the same bytes for
// any thread count; outputs poisoned with NaN between guard zones.
#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>
#include "kernels/conv.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"
#include "tests/winograd_scope.h"

using namespace autodidact;

namespace {

constexpr int kZone = 64;
constexpr float kGuard = -77;  // exact in bf16

template <class T>
std::vector<T> random_values(int64_t count, uint64_t stream) {
  std::vector<T> v(size_t(count), T(0.0f));
  for (size_t i = 0; i < v.size(); ++i) v[i] = T(uniform(philox(11, i, stream).v[0]) * 2 - 1);
  return v;
}
// In double, and in double without signs.
template <class T>
std::vector<double> exact(const std::vector<T>& from, bool magnitude) {
  std::vector<double> to;
  for (T v : from) to.push_back(magnitude ? std::fabs(double(Acc<T>(v))) : double(Acc<T>(v)));
  return to;
}

template <class T>
struct Output {
  std::vector<T> values;
  explicit Output(int64_t count)
      : values(size_t(count + 2 * kZone), T(std::numeric_limits<float>::quiet_NaN())) {
    for (int i = 0; i < kZone; ++i)
      values[size_t(i)] = values[size_t(kZone + count + i)] = T(kGuard);
  }
  T* data() { return values.data() + kZone; }
  size_t count() const { return values.size() - 2 * kZone; }
  bool guards_hold() const {
    for (size_t i = 0; i < kZone; ++i)
      if (float(values[i]) != kGuard || float(values[kZone + count() + i]) != kGuard) return false;
    return true;
  }
};

// All four results of one case.
template <class T>
struct Results {
  Output<T> y, dx;
  Output<Acc<T>> dw, dbias;
  Results(const ConvSizes& s, const std::vector<T>& x, const std::vector<T>& w,
          const std::vector<T>& dy, const std::vector<Acc<T>>& bias)
      : y(int64_t(s.n) * s.out_h() * s.out_w() * s.c_out),
        dx(int64_t(x.size())),
        dw(int64_t(w.size())),
        dbias(s.c_out) {
    run(Cpu(), ConvForward<T>{y.data(), x.data(), w.data(), bias.data(), s});
    run(Cpu(), ConvBackwardData<T>{dx.data(), dy.data(), w.data(), s});
    run(Cpu(), ConvBackwardWeights<T>{dw.data(), dbias.data(), dy.data(), x.data(), s});
  }
};

// A sum of k products has at most k + 1 roundings (bias included) in any order (Higham, Accuracy
// and Stability, 3.1), and one more where it is stored.
template <class Out>
void check_close(const char* what, Output<Out>& ours, Output<double>& reference,
                 Output<double>& magnitude, double k, double unit_roundoff) {
  INFO(what);
  CHECK(ours.guards_hold());
  const double stored = std::is_same_v<Out, bf16> ? 1.0 / 256 : 0;
  double worst = 0;
  for (size_t i = 0; i < ours.count(); ++i) {
    const double expected = reference.data()[i];
    const double error = std::fabs(double(Acc<Out>(ours.data()[i])) - expected);
    const double bound =
        1.01 * (k + 1) * unit_roundoff * magnitude.data()[i] + stored * std::fabs(expected);
    if (!(error <= bound)) worst = std::isnan(error) ? 1e30 : std::max(worst, error / bound);
  }
  CHECK(worst == 0);
}

template <class T>
void check_case(const ConvSizes& s) {
  INFO("n ", s.n, " h ", s.h, " w ", s.w, " c_in ", s.c_in, " c_out ", s.c_out, " kernel ", s.kh,
       "x", s.kw, " stride ", s.stride, " padding ", s.padding, " dilation ", s.dilation);
  const auto x = random_values<T>(int64_t(s.n) * s.h * s.w * s.c_in, 1);
  const auto w = random_values<T>(int64_t(s.c_out) * s.kh * s.kw * s.c_in, 2);
  const auto dy = random_values<T>(int64_t(s.n) * s.out_h() * s.out_w() * s.c_out, 3);
  const auto bias = random_values<Acc<T>>(s.c_out, 4);
  Results<double> reference(s, exact(x, false), exact(w, false), exact(dy, false),
                            exact(bias, false));
  Results<double> magnitude(s, exact(x, true), exact(w, true), exact(dy, true), exact(bias, true));
  const double roundoff = std::numeric_limits<float>::epsilon() / 2;
  const double taps = s.kh * s.kw, pixels = double(s.n) * s.out_h() * s.out_w();

  set_thread_count(1);
  Results<T> ours(s, x, w, dy, bias);
  check_close("y", ours.y, reference.y, magnitude.y, taps * s.c_in, roundoff);
  check_close("dx", ours.dx, reference.dx, magnitude.dx, taps * s.c_out, roundoff);
  check_close("dw", ours.dw, reference.dw, magnitude.dw, pixels, roundoff);
  check_close("dbias", ours.dbias, reference.dbias, magnitude.dbias, pixels, roundoff);
  for (int threads : {2, 3}) {
    set_thread_count(threads);
    const Results<T> again(s, x, w, dy, bias);
    auto same = [](const auto& a, const auto& b) {
      return std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof a.values[0]) ==
             0;
    };
    CHECK(same(ours.y, again.y));
    CHECK(same(ours.dx, again.dx));
    CHECK(same(ours.dw, again.dw));
    CHECK(same(ours.dbias, again.dbias));
  }
  set_thread_count(2);
}

std::vector<ConvSizes> cases() {
  std::vector<ConvSizes> all;
  for (int kernel : {1, 3, 5, 7})
    for (int stride : {1, 2})
      for (int padding : {0, 1, 2})
        for (int dilation : {1, 2}) {
          if (dilation * (kernel - 1) >= 9 + 2 * padding) continue;
          all.push_back({2, 9, 11, 5, 7, kernel, kernel, stride, padding, dilation});
          all.push_back({1, 10, 9, 16, 18, kernel, kernel, stride, padding, dilation});
          all.push_back({3, 9, 9, 3, 33, kernel, kernel, stride, padding, dilation});
        }
  for (int channels : {1, 2, 8, 17, 24, 40})
    all.push_back({3, 7, 6, channels, channels, 3, 3, 1, 1});
  all.push_back({2, 8, 8, 65, 80, 3, 3, 1, 1});    // several blocks of channels
  all.push_back({2, 5, 5, 600, 20, 1, 1, 2, 0});   // the same, read in place
  all.push_back({9, 4, 4, 64, 72, 3, 3, 1, 1});    // several images to a chunk
  all.push_back({2, 40, 70, 3, 16, 7, 7, 2, 3});   // an ImageNet stem, in bands
  all.push_back({1, 64, 48, 16, 16, 3, 3, 1, 1});  // one image in bands
  all.push_back({17, 8, 8, 32, 64, 3, 3, 2, 1});
  all.push_back({2, 6, 9, 4, 5, 3, 1, 1, 1});     // a kernel that is not square
  all.push_back({2, 1, 1, 12, 130, 1, 1, 1, 0});  // one pixel
  all.push_back({2, 3, 2, 3, 4, 3, 3, 3, 1});     // a stride as large as the image
  all.push_back({4, 5, 5, 4, 6, 1, 1, 1, 2});     // outputs that see padding alone
  return all;
}

}  // namespace

TEST_CASE("convolution equals its definition in double within its rounding bound") {
  const WinogradScope off(false);  // tests/kernels/test_winograd.cpp has the other way
  for (CpuClass c : {CpuClass::plain, CpuClass::avx2, CpuClass::avx512, CpuClass::avx512_bf16}) {
    if (!cpu_has(c)) continue;
    set_cpu_class(c);
    INFO("class ", std::string(name(c)));
    for (const ConvSizes& s : cases()) {
      check_case<float>(s);
      check_case<bf16>(s);
    }
  }
  set_cpu_class(best_cpu_class());
}

TEST_CASE("the plain convolution is the textbook sum") {
  // 1 image of 3 x 3, 1 channel, kernel of ones, padding 1: each output counts and adds neighbours.
  const std::vector<double> x{1, 2, 3, 4, 5, 6, 7, 8, 9}, w(9, 1.0), bias{0.5};
  std::vector<double> y(9), dx(9), dw(9), dbias(1);
  const ConvSizes s{1, 3, 3, 1, 1, 3, 3, 1, 1};
  run(Cpu(), ConvForward<double>{y.data(), x.data(), w.data(), bias.data(), s});
  CHECK(y == std::vector<double>{12.5, 21.5, 16.5, 27.5, 45.5, 33.5, 24.5, 39.5, 28.5});
  run(Cpu(), ConvBackwardData<double>{dx.data(), x.data(), w.data(), s});
  CHECK(dx == std::vector<double>{12, 21, 16, 27, 45, 33, 24, 39, 28});
  run(Cpu(), ConvBackwardWeights<double>{dw.data(), dbias.data(), w.data(), x.data(), s});
  CHECK(dw == std::vector<double>{12, 21, 16, 27, 45, 33, 24, 39, 28});
  CHECK(dbias == std::vector<double>{9});
  // Bias alone, and weights alone.
  std::vector<double> only(1, -1.0);
  run(Cpu(), ConvBackwardWeights<double>{nullptr, only.data(), w.data(), x.data(), s});
  CHECK(only == dbias);
  run(Cpu(), ConvBackwardWeights<double>{dw.data(), nullptr, w.data(), x.data(), s});
}
