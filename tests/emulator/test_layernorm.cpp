// LayerNorm on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/layernorm.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int64_t rows;
  int cols;
};
// Odd columns, a warp and several warps a row, several rows a block, more columns than the backward
// pass can keep in one thread each, enough of such rows that an order of adding shows; no rows.
const Case kCases[] = {{1, 1},    {5, 3},   {9, 16},  {70, 24},   {6, 192}, {5, 300},
                       {3, 1032}, {600, 8}, {2, 521}, {40, 4104}, {0, 5}};

}  // namespace

TEST_CASE("layernorm.cu: forward as on the CPU") {
  for (const Case& k : kCases) {
    int64_t n = k.rows * k.cols;
    Values x = random_values(n, 1, 1, k.cols > 4000 ? 0 : 0.3),
           gamma = random_values(k.cols, 2, 0.3, 1);
    Values beta = random_values(k.cols, 3);
    check_device("layernorm", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* y = b.out(n);
      Acc<T>*mean = b.out_acc(k.rows, largest(x)), *rstd = b.out_acc(k.rows);
      run(queue, LayerNormForward<T>{y, mean, rstd, b.in(x), b.in_acc(gamma), b.in_acc(beta),
                                     k.rows, k.cols, 1e-5f});
    });
  }
}

TEST_CASE("layernorm.cu: backward as on the CPU, and each output alone") {
  enum { all, dx, parameters, dgamma };
  for (int wanted : {all, dx, parameters, dgamma})
    for (const Case& k : kCases) {
      if (wanted != all && k.rows * k.cols > 2000) continue;
      int64_t n = k.rows * k.cols;
      Values x = random_values(n, 1), dy = random_values(n, 2);
      Values gamma = random_values(k.cols, 3, 0.3, 1);
      Values mean = random_values(k.rows, 4, 0.2), rstd = random_values(k.rows, 5, 0.2, 1);
      check_device(
          "layernorm backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
            LayerNormBackward<T> p{};
            if (wanted == all || wanted == dx) p.dx = b.out(n);
            if (wanted != dx) p.dgamma = b.out_acc(k.cols, 1);
            if (wanted == all || wanted == parameters) p.dbeta = b.out_acc(k.cols, 1);
            p.dy = b.in(dy), p.x = b.in(x), p.gamma = b.in_acc(gamma);
            p.mean = b.in_acc(mean), p.rstd = b.in_acc(rstd), p.rows = k.rows, p.cols = k.cols;
            run(queue, p);
          });
    }
}
