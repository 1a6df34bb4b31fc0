// GEMM against the plain body in double: all transposes, batches, leading dimensions, epilogues,
// odd sizes, on every CPU class the machine has; the same bytes for any thread count; nothing
// written outside C.
#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>
#include "kernels/cpu_class.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"

using namespace autodidact;

namespace {

template <class T>
std::vector<T> random_values(size_t count, uint64_t stream) {
  std::vector<T> v(count);
  for (size_t i = 0; i < count; ++i) v[i] = T(uniform(philox(7, i, stream).v[0]) * 2 - 1);
  return v;
}
template <class To, class From>
std::vector<To> converted(const std::vector<From>& from) {
  std::vector<To> to(from.size());
  for (size_t i = 0; i < from.size(); ++i) to[i] = To(double(float(from[i])));
  return to;
}

struct Case {
  int m, n, k;
  bool transpose_a = false, transpose_b = false;
  int batch = 1;
  float alpha = 1, beta = 0;
  bool bias = false, relu = false;
  int extra = 0;  // leading dimensions are larger by this much
};

constexpr float kGuard = -77;  // exact in bf16

// Storage of one case: C lies between guard zones, its unused leading columns are guards as well.
template <class T, class Out>
struct Operands {
  Gemm<T, Out> g{};
  std::vector<T> a, b;
  std::vector<Acc<T>> bias;
  std::vector<Out> c;
  static constexpr int kZone = 64;

  explicit Operands(const Case& s) {
    int a_rows = s.transpose_a ? s.k : s.m, a_columns = s.transpose_a ? s.m : s.k;
    int b_rows = s.transpose_b ? s.n : s.k, b_columns = s.transpose_b ? s.k : s.n;
    g.m = s.m, g.n = s.n, g.k = s.k, g.batch = s.batch;
    g.lda = a_columns + s.extra, g.ldb = b_columns + s.extra, g.ldc = s.n + s.extra;
    g.stride_a = a_rows * g.lda + s.extra, g.stride_b = b_rows * g.ldb, g.stride_c = s.m * g.ldc;
    g.transpose_a = s.transpose_a, g.transpose_b = s.transpose_b;
    g.alpha = s.alpha, g.beta = s.beta, g.relu = s.relu;
    a = random_values<T>(size_t(g.stride_a * s.batch), 1);
    b = random_values<T>(size_t(g.stride_b * s.batch), 2);
    // What lies between the rows takes part in nothing: a pair may not reach beyond an odd k.
    auto poison = [&](std::vector<T>& v, int64_t pitch, int columns, int64_t rows, int64_t stride) {
      for (int e = 0; e < s.batch; ++e)
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = columns; j < pitch && e * stride + i * pitch + j < int64_t(v.size());
               ++j)
            v[size_t(e * stride + i * pitch + j)] = T(std::numeric_limits<float>::quiet_NaN());
    };
    poison(a, g.lda, a_columns, a_rows, g.stride_a);
    poison(b, g.ldb, b_columns, b_rows, g.stride_b);
    bias = random_values<Acc<T>>(size_t(s.n), 3);
    c.assign(size_t(g.stride_c * s.batch + 2 * kZone), Out(kGuard));
    auto old = random_values<Out>(c.size(), 4);
    for_each_c([&](size_t i) {
      c[i] = s.beta != 0 ? old[i] : Out(std::numeric_limits<float>::quiet_NaN());
    });
    point(s);
  }
  void point(const Case& s) {
    g.a = a.data(), g.b = b.data(), g.c = c.data() + kZone;
    g.bias = s.bias ? bias.data() : nullptr;
  }
  template <class F>
  void for_each_c(F f) const {
    for (int e = 0; e < g.batch; ++e)
      for (int i = 0; i < g.m; ++i)
        for (int j = 0; j < g.n; ++j) f(size_t(kZone + e * g.stride_c + i * g.ldc + j));
  }
};

template <class T, class Out>
void check_case(const Case& s) {
  INFO("m ", s.m, " n ", s.n, " k ", s.k, " transposed ", s.transpose_a, s.transpose_b, " batch ",
       s.batch, " beta ", s.beta, " extra ", s.extra);
  const Operands<T, Out> given(s);
  // What it should be, and how large the sum of the terms' magnitudes is, both in double.
  Operands<double, double> exact(s), magnitude(s);
  exact.a = converted<double>(given.a), exact.b = converted<double>(given.b);
  exact.bias = converted<double>(given.bias), exact.c = converted<double>(given.c);
  exact.point(s);
  run(Cpu(), exact.g);
  for (auto [to, from] : {std::pair{&magnitude.a, &exact.a}, {&magnitude.b, &exact.b}})
    for (size_t i = 0; i < from->size(); ++i) (*to)[i] = std::fabs((*from)[i]);
  for (size_t i = 0; i < given.bias.size(); ++i) magnitude.bias[i] = std::fabs(given.bias[i]);
  for (size_t i = 0; i < given.c.size(); ++i) magnitude.c[i] = std::fabs(double(float(given.c[i])));
  magnitude.g.alpha = std::fabs(s.alpha), magnitude.g.beta = std::fabs(s.beta);
  magnitude.point(s);
  run(Cpu(), magnitude.g);

  std::vector<Out> first;
  for (int threads : {1, 2, 3}) {
    set_thread_count(threads);
    Operands<T, Out> ours = given;
    ours.point(s);
    run(Cpu(), ours.g);
    if (threads == 1) {
      first = ours.c;
      // k products and additions, then alpha, beta and bias: k + 4 roundings at most in any order
      // (Higham, Accuracy and Stability, 3.1), and one more where the result is stored.
      const double eps = std::numeric_limits<Acc<T>>::epsilon() / 2;
      const double stored = std::is_same_v<Out, bf16> ? 1.0 / 256 : 0;
      double worst = 0;
      std::vector<bool> inside(ours.c.size(), false);
      ours.for_each_c([&](size_t i) {
        inside[i] = true;
        double error = std::fabs(double(Acc<T>(ours.c[i])) - exact.c[i]);
        double bound = (s.k + 4) * eps * 1.01 * magnitude.c[i] + stored * std::fabs(exact.c[i]);
        if (!(error <= bound)) worst = std::max(worst, std::isnan(error) ? 1e30 : error / bound);
      });
      CHECK(worst == 0);
      for (size_t i = 0; i < ours.c.size(); ++i)
        if (!inside[i]) REQUIRE(float(ours.c[i]) == kGuard);
    } else {
      CHECK(std::memcmp(first.data(), ours.c.data(), first.size() * sizeof(Out)) == 0);
    }
  }
  set_thread_count(2);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      for (int m : {1, 5, 6, 7, 16, 23})
        for (int n : {1, 3, 8, 9, 16, 17, 31, 33, 65}) all.push_back({m, n, 19, ta, tb});
      all.push_back({197, 259, 300, ta, tb});  // two blocks each way with AVX2
      all.push_back({130, 20, 1100, ta, tb});  // cut along rows and along k
      all.push_back({13, 40, 1, ta, tb, 3, 0.5f, 0, true, true, 5});
      all.push_back({13, 40, 37, ta, tb, 3, -2.0f, 0.75f, true, false, 3});
      all.push_back({20, 24, 600, ta, tb, 2, 0.125f, 1, false, true, 1});
      all.push_back({7, 35, 5000, ta, tb, 1, 0.5f, 0, true, true, 2});  // split along k
      all.push_back({65, 65, 64, ta, tb, 12, 0.125f});
    }
  for (bool t : {false, true}) all.push_back({523, 531, 260, t, !t});  // two blocks with AVX-512
  all.push_back({9, 20, 0, false, false, 1, 1, 0, true});              // the sum over nothing
  all.push_back({0, 20, 5}), all.push_back({9, 0, 5}), all.push_back({9, 20, 5, false, false, 0});
  return all;
}

}  // namespace

TEST_CASE("gemm equals the plain product in double within its rounding bound") {
  for (CpuClass c : {CpuClass::plain, CpuClass::avx2, CpuClass::avx512, CpuClass::avx512_bf16}) {
    if (!cpu_has(c)) continue;
    set_cpu_class(c);
    INFO("class ", std::string(name(c)));
    for (const Case& s : cases()) {
      check_case<float, float>(s);
      check_case<bf16, bf16>(s);
      check_case<bf16, float>(s);
    }
  }
  set_cpu_class(best_cpu_class());
}

TEST_CASE("the plain product in double is the textbook's triple loop, for all four transposes") {
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      const Case s{5, 7, 11, ta, tb, 2, 0.5f, 0.25f, true, true, 3};
      Operands<double, double> o(s);
      const std::vector<double> old = o.c;
      run(Cpu(), o.g);
      for (int e = 0; e < s.batch; ++e)
        for (int i = 0; i < s.m; ++i)
          for (int j = 0; j < s.n; ++j) {
            double sum = 0;
            for (int k = 0; k < s.k; ++k) {
              int64_t a = e * o.g.stride_a + (ta ? k * o.g.lda + i : i * o.g.lda + k);
              int64_t b = e * o.g.stride_b + (tb ? j * o.g.ldb + k : k * o.g.ldb + j);
              sum += o.a[size_t(a)] * o.b[size_t(b)];
            }
            size_t at = size_t(o.kZone + e * o.g.stride_c + i * o.g.ldc + j);
            double c = 0.5 * sum + 0.25 * old[at] + o.bias[size_t(j)];
            CHECK(o.c[at] == doctest::Approx(c < 0 ? 0 : c).epsilon(1e-14));
          }
    }
}
