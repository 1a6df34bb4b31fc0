// BatchNorm on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/batchnorm.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int64_t rows;
  int channels, splits;
  bool relu, residual;
};
// Odd channels, fewer rows than rows of threads, split batches, several chunks of rows, channels
// over one block.
const Case kCases[] = {{2, 1, 1, false, false},  {7, 3, 1, true, false},
                       {12, 17, 3, false, true}, {130, 16, 2, true, true},
                       {600, 64, 1, true, true}, {1200, 8, 3, false, false},
                       {6, 264, 1, true, true}};

// y = x scale + offset, two terms that cancel where the mean is far above the deviation: the
// largest mean * rstd of a channel of a split.
double largest_offset(const Values& x, const Case& k) {
  const int64_t rows = k.rows / k.splits;
  double most = 0;
  for (int64_t s = 0; s < k.splits; ++s)
    for (int64_t c = 0; c < k.channels; ++c) {
      double sum = 0, squares = 0;
      auto at = [&](int64_t r) { return x[size_t((s * rows + r) * k.channels + c)]; };
      for (int64_t r = 0; r < rows; ++r) sum += at(r);
      const double mean = sum / double(rows);
      for (int64_t r = 0; r < rows; ++r) squares += (at(r) - mean) * (at(r) - mean);
      most = std::max(most, std::abs(mean) / std::sqrt(squares / double(rows) + 1e-5));
    }
  return most;
}

}  // namespace

TEST_CASE("batchnorm.cu: forward as on the CPU") {
  for (const Case& k : kCases)
    for (bool everything : {true, false}) {  // all but y and x may be null
      int64_t n = k.rows * k.channels, table = int64_t(k.splits) * k.channels;
      Values x = random_values(n, 1, 1, 0.3), residual = random_values(n, 2);
      Values gamma = random_values(k.channels, 3, 0.3, 1), beta = random_values(k.channels, 4);
      Values zeros(size_t(k.channels), 0.5), ones(size_t(k.channels), 2.0);
      const double terms = largest_offset(x, k) * (everything ? largest(gamma) : 1);
      check_device("batchnorm", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        BatchNormForward<T> p{};
        p.y = b.out(n), p.x = b.in(x);
        b.outputs().back()->terms = terms;
        if (everything) {
          p.mean = b.out_acc(table, largest(x)), p.rstd = b.out_acc(table);
          p.running_mean = b.update_acc(zeros), p.running_var = b.update_acc(ones);
          p.gamma = b.in_acc(gamma), p.beta = b.in_acc(beta);
        }
        p.residual = k.residual ? b.in(residual) : nullptr;
        p.rows = k.rows, p.channels = k.channels, p.splits = k.splits, p.relu = k.relu;
        p.eps = 1e-5f, p.momentum = 0.1f;
        run(queue, p);
      });
    }
}

TEST_CASE("batchnorm.cu keeps its digits when the mean is 1000 times the deviation") {
  const int64_t rows = 2048;
  Values x = random_values(rows * 8, 1, 1, 1000);
  auto kernel = [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    T* y = b.out(rows * 8);
    Acc<T>*mean = b.out_acc(8), *rstd = b.out_acc(8);
    run(queue, BatchNormForward<T>{y, mean, rstd, nullptr, nullptr, b.in(x), nullptr, nullptr,
                                   nullptr, rows, 8, 1, 1e-5f, 0.1f, false});
  };
  check_device_as<float>("batchnorm", kernel);
}

TEST_CASE("batchnorm.cu: inference as on the CPU") {
  for (const Case& k : kCases)
    for (bool everything : {true, false}) {
      int64_t n = k.rows * k.channels;
      Values x = random_values(n, 1), residual = random_values(n, 2);
      Values gamma = random_values(k.channels, 3, 0.3, 1), beta = random_values(k.channels, 4);
      Values mean = random_values(k.channels, 5), var = random_values(k.channels, 6, 0.2, 1);
      check_device(
          "batchnorm inference", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
            BatchNormInference<T> p{};
            p.y = b.out(n), p.rstd = everything ? b.out_acc(k.channels) : nullptr, p.x = b.in(x);
            if (everything) p.gamma = b.in_acc(gamma), p.beta = b.in_acc(beta);
            p.running_mean = b.in_acc(mean), p.running_var = b.in_acc(var);
            p.residual = k.residual ? b.in(residual) : nullptr;
            p.rows = k.rows, p.channels = k.channels, p.eps = 1e-5f, p.relu = k.relu;
            run(queue, p);
          });
    }
}

TEST_CASE("batchnorm.cu: backward as on the CPU, each output alone, constant statistics") {
  enum { all, dx, dresidual, dgamma };
  for (int wanted : {all, dx, dresidual, dgamma})
    for (const Case& k : kCases)
      for (bool constant : {false, true}) {
        if (wanted == dresidual && !(k.relu && k.residual)) continue;
        int64_t n = k.rows * k.channels, table = int64_t(k.splits) * k.channels;
        Values x = random_values(n, 1), dy = random_values(n, 2), y = random_values(n, 3);
        for (double& v : y) v = std::max(v, 0.0);  // closed gates are exact zeros
        Values gamma = random_values(k.channels, 4, 0.3, 1);
        Values mean = random_values(table, 5, 0.2), rstd = random_values(table, 6, 0.2, 1);
        check_device("batchnorm backward",
                     [&]<template <class> class B, class T>(auto queue, B<T>& b) {
                       BatchNormBackward<T> p{};
                       if (wanted == all || wanted == dx) p.dx = b.out(n);
                       if (wanted == all || wanted == dgamma) p.dgamma = b.out_acc(k.channels, 1);
                       if (wanted == all) p.dbeta = b.out_acc(k.channels, 1);
                       if (wanted == dresidual || (wanted == all && k.relu && k.residual))
                         p.dresidual = b.out(n);
                       p.dy = b.in(dy), p.x = b.in(x), p.y = k.relu ? b.in(y) : nullptr;
                       p.gamma = wanted == dx ? nullptr : b.in_acc(gamma);
                       p.mean = b.in_acc(mean), p.rstd = b.in_acc(rstd), p.rows = k.rows;
                       p.channels = k.channels, p.splits = k.splits, p.relu = k.relu;
                       p.constant_statistics = constant;
                       run(queue, p);
                     });
      }
}
