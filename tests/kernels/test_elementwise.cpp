// Every elementwise formula: packets against f64, derivative against a difference quotient.
#include <cmath>
#include "kernels/elementwise.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {
constexpr int64_t kSizes[] = {1, 7, 8, 65, 1000, 40001};

// Inputs on which the formula is defined: Log, Sqrt and Div take no number near zero.
template <class Op>
Values inputs(int64_t n, uint64_t key) {
  Values v = random_values(n, key);
  if (std::is_same_v<Op, Log> || std::is_same_v<Op, Sqrt> || std::is_same_v<Op, Div>)
    for (double& x : v) x = std::abs(x) + 0.25;
  return v;
}

template <class Op>
void check_unary(const char* what) {
  for (int64_t n : kSizes) {
    Values x = inputs<Op>(n, 1), dy = random_values(n, 2);
    check_kernel(std::string(what) + " forward", [&]<class T>(Buffers<T>& b) {
      run(Cpu{}, UnaryForward<Op, T>{b.out(n), b.in(x), n});
    });
    Values y;
    for (double v : x) y.push_back(Op::f(double(float(v))));
    check_kernel(std::string(what) + " backward", [&]<class T>(Buffers<T>& b) {
      run(Cpu{}, UnaryBackward<Op, T>{b.out(n), b.in(dy), b.in(x), b.in(y), n});
    });
  }
  // Central differences: error h^2 f''' / 6 + rounding / h, both near 1e-10 at h = 1e-5.
  for (double v : inputs<Op>(200, 3)) {
    if (std::abs(v) < 1e-3) continue;  // Relu and Abs have a corner at zero
    double h = 1e-5, slope = (Op::f(v + h) - Op::f(v - h)) / (2 * h), df = Op::df(v, Op::f(v));
    CHECK(std::abs(slope - df) <= 1e-8 * std::max(1.0, std::abs(df)));
  }
}

template <class Op>
void check_binary(const char* what) {
  for (int64_t period : {1, 3, 37, 20000})
    for (int64_t rows : {1, 5}) {
      int64_t n = rows * period;
      Values a = inputs<Op>(n, 1), b = inputs<Op>(period, 2), dz = random_values(n, 3);
      check_kernel(std::string(what) + " forward", [&]<class T>(Buffers<T>& m) {
        run(Cpu{}, BinaryForward<Op, T>{m.out(n), m.in(a), m.in(b), n, period});
      });
      check_kernel(std::string(what) + " backward", [&]<class T>(Buffers<T>& m) {
        run(Cpu{},
            BinaryBackward<Op, T>{m.out(n), m.out(n), m.in(dz), m.in(a), m.in(b), n, period});
      });
    }
  Values a = inputs<Op>(200, 4), b = inputs<Op>(200, 5);
  for (size_t i = 0; i < a.size(); ++i) {
    double h = 1e-5, x = a[i], y = b[i];
    if (std::abs(x - y) < 1e-3) continue;  // Maximum has a corner
    double da = (Op::f(x + h, y) - Op::f(x - h, y)) / (2 * h);
    double db = (Op::f(x, y + h) - Op::f(x, y - h)) / (2 * h);
    CHECK(std::abs(da - Op::da(x, y)) <= 1e-7 * std::max(1.0, std::abs(da)));
    CHECK(std::abs(db - Op::db(x, y)) <= 1e-7 * std::max(1.0, std::abs(db)));
  }
}
}  // namespace

TEST_CASE("unary formulas") {
#define UNARY_CASE(Op) check_unary<Op>(#Op);
  UNARY_OPS(UNARY_CASE)
}

TEST_CASE("binary formulas, with and without repetition of b") {
#define BINARY_CASE(Op) check_binary<Op>(#Op);
  BINARY_OPS(BINARY_CASE)
}

TEST_CASE("scale, bias, accumulate, fill") {
  for (int64_t n : kSizes) {
    Values x = random_values(n, 1), y = random_values(n, 2), s = {0.37};
    check_kernel("scale_shift", [&]<class T>(Buffers<T>& b) {
      run(Cpu{}, ScaleShift<T>{b.out(n), b.in(x), n, 1.7, -0.3});
    });
    check_kernel("scale_by", [&]<class T>(Buffers<T>& b) {
      run(Cpu{}, ScaleBy<T>{b.out(n), b.in(x), b.in_acc(s), n});
    });
    check_kernel("accumulate", [&]<class T>(Buffers<T>& b) {
      run(Cpu{}, Accumulate<T>{b.update(y), b.in(x), n});
    });
    check_kernel("fill", [&]<class T>(Buffers<T>& b) { run(Cpu{}, Fill<T>{b.out(n), n, 0.5}); });
    for (int cols : {1, 5, 16}) {
      Values rows = random_values(n * cols, 3), bias = random_values(cols, 4);
      if (n * cols > 100000) continue;
      check_kernel("bias_add", [&]<class T>(Buffers<T>& b) {
        run(Cpu{}, BiasAdd<T>{b.out(n * cols), b.in(rows), b.in_acc(bias), n, cols});
      });
    }
  }
}

TEST_CASE("casts round to nearest even, on every class the same bits") {
  CpuState restore;
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0xfffff000u; bits += 12289) {
    float f;
    memcpy(&f, &bits, 4);
    x.push_back(f);
  }
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    std::vector<bf16> half(x.size());
    std::vector<float> back(x.size());
    run(Cpu{}, Cast<bf16, float>{half.data(), x.data(), int64_t(x.size())});
    run(Cpu{}, Cast<float, bf16>{back.data(), half.data(), int64_t(x.size())});
    for (size_t i = 0; i < x.size(); ++i) {
      REQUIRE(half[i].bits == bf16(x[i]).bits);
      REQUIRE((back[i] == float(half[i]) || back[i] != back[i]));
    }
  }
}

TEST_CASE("NaN and infinity pass through the formulas as through std") {
  CpuState restore;
  float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    float x[] = {nan, inf, -inf, 0.0f, -1.0f, 200.0f, -200.0f, 1e-40f};
    float y[8];
    auto apply = [&]<class Op>(Op) { run(Cpu{}, UnaryForward<Op, float>{y, x, 8}); };
    auto same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    INFO(std::string(name(c)));
    apply(Exp{});
    for (int i = 0; i < 7; ++i) CHECK(same(y[i], i == 4 ? y[i] : std::exp(x[i])));
    apply(Tanh{});
    for (int i : {0, 1, 2, 3, 5, 6}) CHECK(same(y[i], std::tanh(x[i])));
    apply(Log{});
    for (int i = 0; i < 5; ++i) CHECK(same(y[i], std::log(x[i])));
    apply(Relu{});
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == inf);
    CHECK(y[2] == 0);
    apply(Gelu{});
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == inf);
    apply(Softplus{});
    CHECK(std::isnan(y[0]));
    CHECK(y[1] == inf);
    CHECK(y[2] == 0);
  }
}

TEST_CASE("softplus keeps the digits of e^x far below zero") {
  CpuState restore;
  float x[] = {-10.0f, -17.0f, -20.0f, -40.0f, -80.0f, -0.5f, 3.0f, 30.0f}, y[8];
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    run(Cpu{}, UnaryForward<Softplus, float>{y, x, 8});
    for (int i = 0; i < 8; ++i)  // exp and log1p within 2 ulp each, the addition half of one
      CHECK(double(y[i]) == doctest::Approx(std::log1p(std::exp(double(x[i])))).epsilon(0x1p-20));
  }
}

TEST_CASE("a closed ReLU passes no gradient, be it infinite or NaN") {
  CpuState restore;
  float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    float dy[] = {inf, -inf, nan, inf, 2, 3, 4, 5, inf}, y[] = {0, 0, 0, 1, 1, 0, 2, 0, 0}, dx[9];
    run(Cpu{}, UnaryBackward<Relu, float>{dx, dy, nullptr, y, 9});
    for (int i = 0; i < 9; ++i) CHECK(dx[i] == (y[i] > 0 ? dy[i] : 0));
  }
}

TEST_CASE("the maximum with NaN is NaN, from either side") {
  CpuState restore;
  float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    float a[] = {nan, 1, nan, 1, -inf, inf, nan, 2, 0},
          b[] = {1, nan, nan, 2, nan, -inf, inf, 1, 0};
    float z[9];
    run(Cpu{}, BinaryForward<Maximum, float>{z, a, b, 9, 9});
    for (int i : {0, 1, 2, 4, 6}) CHECK(std::isnan(z[i]));
    CHECK(z[3] == 2);
    CHECK(z[5] == inf);
    CHECK(z[7] == 2);
    run(Cpu{}, BinaryForward<Maximum, float>{z, a, &nan, 9, 1});
    for (float v : z) CHECK(std::isnan(v));
  }
}
