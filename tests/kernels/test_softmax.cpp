// What a comparison with the plain body cannot see, in softmax, its logarithm and cross entropy:
// the digits of large logits, and rows that do not count.
#include "kernels/softmax.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {
constexpr int kRows = 5, kCols = 37;

std::vector<float> large_logits() {
  std::vector<float> x;
  for (double v : random_values(kRows * kCols, 1, 3, 1000)) x.push_back(float(v));
  return x;
}

// log softmax in double.
double log_p(const std::vector<float>& x, int r, int c) {
  double sum = 0, first = double(x[size_t(r * kCols)]);
  for (int i = 0; i < kCols; ++i) sum += std::exp(double(x[size_t(r * kCols + i)]) - first);
  return double(x[size_t(r * kCols + c)]) - first - std::log(sum);
}

// x - max is exact between 500 and 2000 (Sterbenz); the sum of 37 terms of 2 ulp is off by at most
// 41 * 2^-24, and so is its logarithm, plus 2 ulp, 2^-21; a difference below 32 is rounded by
// 2^-20; exp adds 2 ulp, 2^-22: together below 2^-17. exp(x - log sum exp x) would be off by 2^-15.
constexpr double kError = 0x1p-17;
}  // namespace

TEST_CASE("softmax of large logits keeps its digits and its rows sum to 1") {
  CpuState restore;
  std::vector<float> x = large_logits(), y(x.size()), log_y(x.size());
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    INFO(std::string(name(c)));
    run(Cpu{}, SoftmaxForward<float>{y.data(), x.data(), kRows, kCols});
    run(Cpu{}, LogSoftmaxForward<float>{log_y.data(), x.data(), kRows, kCols});
    for (int r = 0; r < kRows; ++r) {
      double sum = 0;
      for (int i = 0; i < kCols; ++i) {
        size_t at = size_t(r * kCols + i);
        double exact = log_p(x, r, i);
        CHECK(std::abs(double(log_y[at]) - exact) <= kError);
        CHECK(std::abs(double(y[at]) - std::exp(exact)) <= kError * std::exp(exact));
        sum += double(y[at]);
      }
      CHECK(std::abs(sum - 1) <= kError);
    }
  }
}

TEST_CASE("cross entropy of large logits keeps its digits, and rows without a label are zero") {
  CpuState restore;
  constexpr float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x = large_logits();
  const int32_t labels[kRows] = {3, -1, 36, -1, 0};
  for (int c = 0; c < kCols; ++c) {  // the rows that do not count hold anything
    x[size_t(1 * kCols + c)] = c % 2 ? inf : -inf;
    x[size_t(3 * kCols + c)] = std::numeric_limits<float>::quiet_NaN();
  }
  for (CpuClass k : classes_here()) {
    set_cpu_class(k);
    INFO(std::string(name(k)));
    float loss, dloss = 1, max[kRows], log_sum[kRows];
    std::vector<float> dx(x.size());
    run(Cpu{}, CrossEntropyForward<float>{&loss, max, log_sum, nullptr, x.data(), labels, kRows,
                                          kCols, 0});
    run(Cpu{}, CrossEntropyBackward<float>{dx.data(), &dloss, x.data(), max, log_sum, labels, kRows,
                                           kCols, 0});
    double exact = 0;
    for (int r = 0; r < kRows; ++r) {
      if (labels[r] >= 0) exact -= log_p(x, r, labels[r]) / 3;
      for (int c = 0; c < kCols; ++c) {
        float d = dx[size_t(r * kCols + c)];
        if (labels[r] < 0) CHECK(d == 0);
        else
          CHECK(std::abs(double(d) - (std::exp(log_p(x, r, c)) - (c == labels[r])) / 3) <= kError);
      }
    }
    CHECK(std::abs(double(loss) - exact) <= kError);
  }
}
