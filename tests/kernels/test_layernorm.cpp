// Layer normalisation: every class against f64, and f64 against the definition's properties.
#include "kernels/layernorm.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {
struct Case {
  int64_t rows;
  int cols;
};
const Case kCases[] = {{1, 2}, {3, 7}, {130, 8}, {5, 65}, {300, 192}, {2, 1000}};
}  // namespace

TEST_CASE("layernorm: every class, forward and backward") {
  for (const Case& k : kCases) {
    int64_t n = k.rows * k.cols;
    Values x = random_values(n, 1, 1, 0.3), dy = random_values(n, 2);
    Values gamma = random_values(k.cols, 3, 0.3, 1), beta = random_values(k.cols, 4);
    check_kernel("layernorm", [&]<class T>(Buffers<T>& b) {
      run(Cpu{},
          LayerNormForward<T>{b.out(n), b.out_acc(k.rows, largest(x)), b.out_acc(k.rows), b.in(x),
                              b.in_acc(gamma), b.in_acc(beta), k.rows, k.cols, 1e-5f});
      run(Cpu{}, LayerNormForward<T>{b.out(n), nullptr, nullptr, b.in(x), b.in_acc(gamma),
                                     b.in_acc(beta), k.rows, k.cols, 1e-5f});
    });
    Values mean = random_values(k.rows, 5, 0.2), rstd = random_values(k.rows, 6, 0.2, 1);
    check_kernel("layernorm backward", [&]<class T>(Buffers<T>& b) {
      LayerNormBackward<T> p{
          b.out(n),        b.out_acc(k.cols), b.out_acc(k.cols), b.in(dy), b.in(x),
          b.in_acc(gamma), b.in_acc(mean),    b.in_acc(rstd),    k.rows,   k.cols};
      run(Cpu{}, p);
      p.dx = nullptr, p.dbeta = nullptr, p.dgamma = b.out_acc(k.cols);
      run(Cpu{}, p);
    });
  }
}

TEST_CASE("layernorm gives each row mean beta and variance gamma^2 var / (var + eps)") {
  Values x = random_values(4 * 50, 1, 2, 5);
  Buffers<double> b(false);
  double* y = b.out(200);
  run(Cpu{}, LayerNormForward<double>{y, b.out(4), b.out(4), b.in(x), b.in(Values(50, 3.0)),
                                      b.in(Values(50, 0.5)), 4, 50, 1e-5f});
  for (int r = 0; r < 4; ++r) {
    double mean = 0, var = 0, x_mean = 0, x_var = 0;
    for (int c = 0; c < 50; ++c) mean += y[r * 50 + c] / 50, x_mean += x[size_t(r * 50 + c)] / 50;
    for (int c = 0; c < 50; ++c) {
      var += (y[r * 50 + c] - mean) * (y[r * 50 + c] - mean) / 50;
      x_var += (x[size_t(r * 50 + c)] - x_mean) * (x[size_t(r * 50 + c)] - x_mean) / 50;
    }
    CHECK(mean == doctest::Approx(0.5).epsilon(1e-9));
    CHECK(var == doctest::Approx(9 * x_var / (x_var + double(1e-5f))).epsilon(1e-6));
  }
}
