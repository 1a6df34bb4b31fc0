// Batch normalisation against the definition, written here without the kernels' algebra, and every
// class against f64; statistics of data with a large mean; split batches; fused ReLU and residual.
#include "kernels/batchnorm.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {
struct Case {
  int64_t rows;
  int channels, splits;
  bool relu, residual;
};
// Odd channel counts, fewer channels than a packet, several chunks of rows.
const Case kCases[] = {{2, 1, 1, false, false},   {7, 3, 1, true, false},
                       {12, 17, 3, false, true},  {130, 16, 2, true, true},
                       {600, 64, 1, true, false}, {3000, 37, 2, true, true}};

struct Forward {
  Values y, mean, rstd, running_mean, running_var;
};

Forward definition(const Case& k, const Values& x, const Values& gamma, const Values& beta,
                   const Values& residual, double eps, double momentum) {
  int C = k.channels;
  int64_t n = k.rows / k.splits;
  Forward f{Values(x.size()), {}, {}, Values(size_t(C), 0.5), Values(size_t(C), 2.0)};
  Values mean_of_splits(static_cast<size_t>(C)), var_of_splits(static_cast<size_t>(C));
  for (int s = 0; s < k.splits; ++s)
    for (int c = 0; c < C; ++c) {
      double mean = 0, var = 0;
      for (int64_t r = s * n; r < (s + 1) * n; ++r) mean += x[size_t(r * C + c)] / double(n);
      for (int64_t r = s * n; r < (s + 1) * n; ++r)
        var += (x[size_t(r * C + c)] - mean) * (x[size_t(r * C + c)] - mean) / double(n);
      double rstd = 1 / std::sqrt(var + eps);
      f.mean.push_back(mean), f.rstd.push_back(rstd);
      mean_of_splits[size_t(c)] += mean / k.splits;
      var_of_splits[size_t(c)] += var * double(n) / double(n - 1) / k.splits;
      for (int64_t r = s * n; r < (s + 1) * n; ++r) {
        size_t i = size_t(r * C + c);
        double y = gamma[size_t(c)] * (x[i] - mean) * rstd + beta[size_t(c)];
        if (k.residual) y += residual[i];
        f.y[i] = k.relu && y < 0 ? 0 : y;
      }
    }
  for (size_t c = 0; c < size_t(C); ++c) {
    f.running_mean[c] = (1 - momentum) * 0.5 + momentum * mean_of_splits[c];
    f.running_var[c] = (1 - momentum) * 2.0 + momentum * var_of_splits[c];
  }
  return f;
}

double distance(const double* a, const Values& b) {
  return largest_error(Values(a, a + b.size()), b);
}
}  // namespace

TEST_CASE("batchnorm forward: definition and every class") {
  for (const Case& k : kCases) {
    int64_t n = k.rows * k.channels, table = int64_t(k.splits) * k.channels;
    Values x = random_values(n, 1, 1, 0.3), residual = random_values(n, 2);
    Values gamma = random_values(k.channels, 3, 0.3, 1), beta = random_values(k.channels, 4);
    Values zeros(size_t(k.channels), 0.5), ones(size_t(k.channels), 2.0);
    auto launch = [&]<class T>(Buffers<T>& b) {
      T* y = b.out(n);
      Acc<T>*mean = b.out_acc(table, largest(x)), *rstd = b.out_acc(table);
      Acc<T>*running_mean = b.update_acc(zeros), *running_var = b.update_acc(ones);
      BatchNormForward<T> p{y,
                            mean,
                            rstd,
                            running_mean,
                            running_var,
                            b.in(x),
                            b.in_acc(gamma),
                            b.in_acc(beta),
                            k.residual ? b.in(residual) : nullptr,
                            k.rows,
                            k.channels,
                            k.splits,
                            1e-5f,
                            0.1f,
                            k.relu};
      run(Cpu{}, p);
      auto only_y = p;  // what is not wanted is left out
      only_y.y = b.out(n), only_y.mean = only_y.rstd = nullptr;
      only_y.running_mean = only_y.running_var = nullptr;
      run(Cpu{}, only_y);
      return p;
    };
    check_kernel("batchnorm", [&]<class T>(Buffers<T>& b) { launch(b); });
    for (Values* v : {&x, &residual, &gamma, &beta})
      for (double& e : *v) e = double(float(e));
    Forward f = definition(k, x, gamma, beta, residual, double(1e-5f), double(0.1f));
    Buffers<double> b(false);
    BatchNormForward<double> p = launch(b);
    CHECK(distance(p.y, f.y) < 1e-12);
    CHECK(distance(p.mean, f.mean) < 1e-12);
    CHECK(distance(p.rstd, f.rstd) < 1e-11);
    CHECK(distance(p.running_mean, f.running_mean) < 1e-12);
    CHECK(distance(p.running_var, f.running_var) < 1e-12);
  }
}

TEST_CASE("batchnorm keeps its digits when the mean is 1000 times the deviation") {
  CpuState restore;
  int64_t rows = 4096;
  Values x = random_values(rows * 8, 1, 1, 1000);
  Case k{rows, 8, 1, false, false};
  for (double& v : x) v = double(float(v));
  Forward f = definition(k, x, Values(8, 1.0), Values(8, 0.0), {}, double(1e-5f), 0.1);
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    Buffers<float> b(false);
    float* rstd = b.out(8);
    run(Cpu{}, BatchNormForward<float>{b.out(rows * 8), b.out(8), rstd, nullptr, nullptr, b.in(x),
                                       nullptr, nullptr, nullptr, rows, 8, 1, 1e-5f, 0.1f, false});
    INFO(std::string(name(c)));
    // The plain sum of squares would have lost 2^-24 * 1000^2 = 6 % of the variance.
    for (int i = 0; i < 8; ++i)
      CHECK(double(rstd[i]) == doctest::Approx(f.rstd[size_t(i)]).epsilon(1e-5));
  }
}

TEST_CASE("batchnorm keeps its digits where the first rows are alike and far from the rest") {
  CpuState restore;
  int64_t rows = 4096;
  Values x = random_values(rows * 8, 1, 1.0 / 3, 1000);
  std::fill_n(x.begin(), 16 * 8, 0.0);
  Case k{rows, 8, 1, false, false};
  for (double& v : x) v = double(float(v));
  Forward f = definition(k, x, Values(8, 1.0), Values(8, 0.0), {}, double(1e-5f), 0.1);
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    Buffers<float> b(false);
    float *y = b.out(rows * 8), *rstd = b.out(8);
    run(Cpu{}, BatchNormForward<float>{y, b.out(8), rstd, nullptr, nullptr, b.in(x), nullptr,
                                       nullptr, nullptr, rows, 8, 1, 1e-5f, 0.1f, false});
    INFO(std::string(name(c)));
    for (int i = 0; i < 8; ++i)
      CHECK(double(rstd[i]) == doctest::Approx(f.rstd[size_t(i)]).epsilon(1e-5));
    // y = x rstd - mean rstd: each product below 1000 / 62 = 16 and rounded to 2^-20, beside the
    // statistics' own 1e-5.
    CHECK(largest_error(Values(y, y + rows * 8), f.y) <= 1e-5 * largest(f.y) + 0x1p-19);
  }
}

TEST_CASE("batchnorm of a channel with NaN has a NaN variance") {
  CpuState restore;
  Values x(64, 1.0);
  x[20] = std::numeric_limits<double>::quiet_NaN();
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    Buffers<float> b(false);
    float* rstd = b.out(2);
    rstd[0] = rstd[1] = 0;
    run(Cpu{}, BatchNormForward<float>{b.out(64), b.out(2), rstd, nullptr, nullptr, b.in(x),
                                       nullptr, nullptr, nullptr, 32, 2, 1, 1e-5f, 0.1f, false});
    CHECK(std::isnan(rstd[0]));
    CHECK(!std::isnan(rstd[1]));
  }
}

TEST_CASE("batchnorm inference: every class") {
  for (const Case& k : kCases) {
    int64_t n = k.rows * k.channels;
    Values x = random_values(n, 1), residual = random_values(n, 2),
           mean = random_values(k.channels, 5);
    Values gamma = random_values(k.channels, 3, 0.3, 1), beta = random_values(k.channels, 4);
    Values var = random_values(k.channels, 6, 0.2, 1);
    check_kernel("batchnorm inference", [&]<class T>(Buffers<T>& b) {
      run(Cpu{}, BatchNormInference<T>{b.out(n), b.out_acc(k.channels), b.in(x), b.in_acc(gamma),
                                       b.in_acc(beta), b.in_acc(mean), b.in_acc(var),
                                       k.residual ? b.in(residual) : nullptr, k.rows, k.channels,
                                       1e-5f, k.relu});
    });
  }
}

TEST_CASE("batchnorm backward: every class, with and without constant statistics") {
  for (const Case& k : kCases)
    for (bool constant : {false, true}) {
      int64_t n = k.rows * k.channels, table = int64_t(k.splits) * k.channels;
      Values x = random_values(n, 1), dy = random_values(n, 2), y = random_values(n, 3);
      Values gamma = random_values(k.channels, 4, 0.3, 1);
      Values mean = random_values(table, 5, 0.2), rstd = random_values(table, 6, 0.2, 1);
      check_kernel("batchnorm backward", [&]<class T>(Buffers<T>& b) {
        run(Cpu{},
            BatchNormBackward<T>{b.out(n), b.out_acc(k.channels), b.out_acc(k.channels),
                                 k.relu && k.residual ? b.out(n) : nullptr, b.in(dy), b.in(x),
                                 k.relu ? b.in(y) : nullptr, b.in_acc(gamma), b.in_acc(mean),
                                 b.in_acc(rstd), k.rows, k.channels, k.splits, k.relu, constant});
      });
      // What is not wanted is left out: only dresidual, only dgamma.
      if (k.relu && k.residual)
        check_kernel("batchnorm backward, parts", [&]<class T>(Buffers<T>& b) {
          BatchNormBackward<T> p{nullptr, nullptr,    nullptr,  b.out(n),       b.in(dy),
                                 b.in(x), b.in(y),    nullptr,  b.in_acc(mean), b.in_acc(rstd),
                                 k.rows,  k.channels, k.splits, true,           constant};
          run(Cpu{}, p);
          p.dresidual = nullptr, p.dgamma = b.out_acc(k.channels);
          run(Cpu{}, p);
        });
    }
}
