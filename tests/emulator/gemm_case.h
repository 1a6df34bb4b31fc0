// A matrix product on emulated CUDA against the CPU, for each way of making it.
#pragma once
#include "device_check.h"
#include "kernels/gemm.h"

namespace autodidact::test {

struct GemmCase {
  int m, n, k;
  int batch = 1;
  int extra =
      0;  // leading dimensions, and the step from one A to the next, are larger by this much
  double alpha = 1, beta = 0;
  bool bias = false, relu = false;
  int offset = 0;  // operands begin so many numbers after an aligned address
};

// `narrow`: C is of the operands' type, else Acc<T>. product(queue, gemm) makes it.
template <class F>
void check_gemm(const GemmCase& s, bool transpose_a, bool transpose_b, bool narrow, F product) {
  INFO("m ", s.m, " n ", s.n, " k ", s.k, " transposed ", transpose_a, transpose_b, " batch ",
       s.batch, " extra ", s.extra, " narrow ", narrow);
  const int64_t lda = (transpose_a ? s.m : s.k) + s.extra,
                ldb = (transpose_b ? s.k : s.n) + s.extra, ldc = s.n + s.extra;
  const int64_t size_a = (transpose_a ? s.k : s.m) * lda + s.extra;
  const int64_t size_b = (transpose_b ? s.n : s.k) * ldb, size_c = s.m * ldc;
  const Values a = random_values(size_a * s.batch + s.offset, 1);
  const Values b = random_values(size_b * s.batch + s.offset, 2);
  const Values c = random_values(size_c * s.batch, 3), bias = random_values(s.n, 4);
  auto kernel = [&]<template <class> class B, class T>(auto queue, B<T>& buffers) {
    auto into = [&]<class Out>(Out* out) {
      product(queue, Gemm<T, Out>{.c = out,
                                  .a = s.k ? buffers.in(a) + s.offset : nullptr,
                                  .b = s.k ? buffers.in(b) + s.offset : nullptr,
                                  .bias = s.bias ? buffers.in_acc(bias) : nullptr,
                                  .m = s.m,
                                  .n = s.n,
                                  .k = s.k,
                                  .lda = lda,
                                  .ldb = ldb,
                                  .ldc = ldc,
                                  .transpose_a = transpose_a,
                                  .transpose_b = transpose_b,
                                  .batch = s.batch,
                                  .stride_a = size_a,
                                  .stride_b = size_b,
                                  .stride_c = size_c,
                                  .alpha = Acc<T>(s.alpha),
                                  .beta = Acc<T>(s.beta),
                                  .relu = s.relu});
    };
    if (narrow) into(s.beta != 0 ? buffers.update(c) : buffers.out(size_c * s.batch));
    else into(s.beta != 0 ? buffers.update_acc(c) : buffers.out_acc(size_c * s.batch));
  };
  if (narrow) check_device_as<float>("gemm", kernel);
  check_device_as<bf16>("gemm", kernel);
}

}  // namespace autodidact::test
