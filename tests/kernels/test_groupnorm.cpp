// Group normalisation against the definition in double, and every class against f64.
#include "kernels/groupnorm.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {
struct Case {
  int samples, pixels, channels, groups;
  bool relu, residual;
};
const Case kCases[] = {{1, 1, 2, 1, false, false},   {3, 5, 3, 3, true, false},
                       {2, 49, 12, 4, false, true},  {3, 64, 16, 8, true, true},
                       {2, 257, 32, 8, true, false}, {2, 30, 36, 2, true, true}};
}  // namespace

TEST_CASE("groupnorm forward: definition and every class") {
  for (const Case& k : kCases) {
    int64_t n = int64_t(k.samples) * k.pixels * k.channels, table = int64_t(k.samples) * k.groups;
    Values x = random_values(n, 1, 1, 0.3), residual = random_values(n, 2);
    Values gamma = random_values(k.channels, 3, 0.3, 1), beta = random_values(k.channels, 4);
    auto launch = [&]<class T>(Buffers<T>& b) {
      T* y = b.out(n);
      Acc<T>*mean = b.out_acc(table, largest(x)), *rstd = b.out_acc(table);
      run(Cpu{}, GroupNormForward<T>{y, mean, rstd, b.in(x), b.in_acc(gamma), b.in_acc(beta),
                                     k.residual ? b.in(residual) : nullptr, k.samples, k.pixels,
                                     k.channels, k.groups, 1e-5f, k.relu});
      run(Cpu{}, GroupNormForward<T>{b.out(n), nullptr, nullptr, b.in(x), b.in_acc(gamma),
                                     b.in_acc(beta), k.residual ? b.in(residual) : nullptr,
                                     k.samples, k.pixels, k.channels, k.groups, 1e-5f, k.relu});
      return y;
    };
    check_kernel("groupnorm", [&]<class T>(Buffers<T>& b) { launch(b); });
    for (Values* v : {&x, &residual, &gamma, &beta})
      for (double& e : *v) e = double(float(e));
    Buffers<double> b(false);
    double* y = launch(b);
    int width = k.channels / k.groups;
    double worst = 0;
    for (int s = 0; s < k.samples; ++s)
      for (int g = 0; g < k.groups; ++g) {
        std::vector<size_t> members;
        for (int p = 0; p < k.pixels; ++p)
          for (int c = g * width; c < (g + 1) * width; ++c)
            members.push_back(size_t((int64_t(s) * k.pixels + p) * k.channels + c));
        double mean = 0, var = 0;
        for (size_t i : members) mean += x[i] / double(members.size());
        for (size_t i : members) var += (x[i] - mean) * (x[i] - mean) / double(members.size());
        for (size_t i : members) {
          size_t c = i % size_t(k.channels);
          double v = gamma[c] * (x[i] - mean) / std::sqrt(var + double(1e-5f)) + beta[c];
          if (k.residual) v += residual[i];
          worst = std::max(worst, std::abs(y[i] - (k.relu && v < 0 ? 0 : v)));
        }
      }
    CHECK(worst < 1e-11);
  }
}

TEST_CASE("groupnorm backward: every class") {
  for (const Case& k : kCases) {
    int64_t n = int64_t(k.samples) * k.pixels * k.channels, table = int64_t(k.samples) * k.groups;
    Values x = random_values(n, 1), dy = random_values(n, 2), y = random_values(n, 3);
    Values gamma = random_values(k.channels, 4, 0.3, 1);
    Values mean = random_values(table, 5, 0.2), rstd = random_values(table, 6, 0.2, 1);
    check_kernel("groupnorm backward", [&]<class T>(Buffers<T>& b) {
      GroupNormBackward<T> p{b.out(n),
                             b.out_acc(k.channels),
                             b.out_acc(k.channels),
                             k.relu && k.residual ? b.out(n) : nullptr,
                             b.in(dy),
                             b.in(x),
                             k.relu ? b.in(y) : nullptr,
                             b.in_acc(gamma),
                             b.in_acc(mean),
                             b.in_acc(rstd),
                             k.samples,
                             k.pixels,
                             k.channels,
                             k.groups,
                             k.relu};
      run(Cpu{}, p);
      p.dx = nullptr, p.dbeta = nullptr, p.dresidual = nullptr, p.dgamma = b.out_acc(k.channels);
      run(Cpu{}, p);
    });
  }
}
