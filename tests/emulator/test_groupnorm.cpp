// GroupNorm on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/groupnorm.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int samples, pixels, channels, groups;
  bool relu, residual;
};
// A single element a group, groups larger than a block, of more channels than two warps, channels
// over one block of 32 and odd ones.
const Case kCases[] = {
    {1, 1, 2, 1, false, false},  {1, 1, 3, 3, true, true},    {3, 5, 3, 3, true, false},
    {2, 49, 12, 4, false, true}, {3, 64, 16, 8, true, true},  {2, 257, 32, 8, true, false},
    {2, 9, 140, 2, true, true},  {2, 9, 65, 5, false, false}, {0, 4, 6, 3, false, false}};

}  // namespace

TEST_CASE("groupnorm.cu: forward as on the CPU") {
  for (const Case& k : kCases) {
    int64_t n = int64_t(k.samples) * k.pixels * k.channels, table = int64_t(k.samples) * k.groups;
    Values x = random_values(n, 1, 1, 0.3), residual = random_values(n, 2);
    Values gamma = random_values(k.channels, 3, 0.3, 1), beta = random_values(k.channels, 4);
    check_device("groupnorm", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* y = b.out(n);
      Acc<T>*mean = b.out_acc(table, largest(x)), *rstd = b.out_acc(table);
      run(queue, GroupNormForward<T>{y, mean, rstd, b.in(x), b.in_acc(gamma), b.in_acc(beta),
                                     k.residual ? b.in(residual) : nullptr, k.samples, k.pixels,
                                     k.channels, k.groups, 1e-5f, k.relu});
    });
  }
}

TEST_CASE("groupnorm.cu: means that cancel are added in one order") {
  const int channels = 70;
  Values x = random_values(channels, 1), ones(channels, 1), zeros(channels, 0);
  x[0] = 0x1p57, x[32] = -0x1p57, x[64] = 1;  // of one lane: 1 or, added backwards in double, 0
  check_device("groupnorm", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    T* y = b.out(channels);
    Acc<T>*mean = b.out_acc(1, largest(x)), *rstd = b.out_acc(1);
    run(queue, GroupNormForward<T>{y, mean, rstd, b.in(x), b.in_acc(ones), b.in_acc(zeros), nullptr,
                                   1, 1, channels, 1, 1e-5f, false});
  });
}

TEST_CASE("groupnorm.cu: backward as on the CPU, and each output alone") {
  enum { all, dx, parameters, dgamma };
  for (int wanted : {all, dx, parameters, dgamma})
    for (const Case& k : kCases) {
      int64_t n = int64_t(k.samples) * k.pixels * k.channels, table = int64_t(k.samples) * k.groups;
      Values x = random_values(n, 1), dy = random_values(n, 2), y = random_values(n, 3);
      for (double& v : y) v = std::max(v, 0.0);  // closed gates are exact zeros
      Values gamma = random_values(k.channels, 4, 0.3, 1);
      Values mean = random_values(table, 5, 0.2), rstd = random_values(table, 6, 0.2, 1);
      check_device("groupnorm backward", [&]<template <class> class B, class T>(auto queue,
                                                                                B<T>& b) {
        GroupNormBackward<T> p{};
        if (wanted == all || wanted == dx) p.dx = b.out(n);
        if (wanted != dx) p.dgamma = b.out_acc(k.channels);
        if (wanted == all || wanted == parameters) p.dbeta = b.out_acc(k.channels);
        if (wanted == all && k.relu && k.residual) p.dresidual = b.out(n);
        p.dy = b.in(dy), p.x = b.in(x), p.y = k.relu ? b.in(y) : nullptr;
        p.gamma = b.in_acc(gamma), p.mean = b.in_acc(mean), p.rstd = b.in_acc(rstd);
        p.samples = k.samples, p.pixels = k.pixels, p.channels = k.channels, p.groups = k.groups;
        p.relu = k.relu;
        run(queue, p);
      });
    }
}

TEST_CASE("groupnorm.cu: gradients that cancel are added in one order") {
  const int channels = 70;
  Values x = random_values(channels, 1), dy = random_values(channels, 2), ones(channels, 1);
  dy[0] = 0x1p57, dy[32] = -0x1p57, dy[64] = 1;  // of one lane: 1 or, added backwards, 0
  x[0] = x[32] = x[64] = 0;
  check_device("groupnorm backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    GroupNormBackward<T> p{};
    p.dx = b.out(channels);
    p.dy = b.in(dy), p.x = b.in(x), p.gamma = b.in_acc(ones);
    p.mean = b.in_acc(Values(1, 0)), p.rstd = b.in_acc(Values(1, 1));
    p.samples = p.pixels = p.groups = 1, p.channels = channels;
    run(queue, p);
  });
}
