// Rows of length 1 on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/unit_rows.h"

using namespace autodidact;
using namespace autodidact::test;

TEST_CASE("unit_rows.cu: forward as on the CPU, in place too, and a row that is too short") {
  for (auto [rows, cols] : {std::pair(1, 1), {5, 7}, {9, 128}, {33, 24}, {3, 521}, {2, 1032}}) {
    const int64_t n = int64_t(rows) * cols;
    const int r = rows, c = cols;
    Values x = random_values(n, 1);
    std::fill_n(x.begin(), c, 1e-9);
    check_device("unit_rows", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T *y = b.out(n), *in_place = b.update(x);
      Acc<T>* scale = b.out_acc(r);
      run(queue, UnitRowsForward<T>{y, scale, b.in(x), r, c, 1e-6f});
      run(queue, UnitRowsForward<T>{in_place, nullptr, in_place, r, c, 1e-6f});
    });
  }
}

TEST_CASE("unit_rows.cu: backward as on the CPU") {
  for (auto [rows, cols] : {std::pair(1, 1), {5, 7}, {9, 128}, {33, 24}, {3, 521}, {2, 1032}}) {
    const int64_t n = int64_t(rows) * cols;
    const int r = rows, c = cols;
    const Values y = random_values(n, 1, 1 / std::sqrt(0.75 * c)), dy = random_values(n, 2);
    const Values scale = random_values(r, 3, 0.2, 1);
    check_device("unit_rows backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T *dx = b.out(n), *in_place = b.update(dy);
      const T *of_y = b.in(y), *of_dy = b.in(dy);
      const Acc<T>* by = b.in_acc(scale);
      run(queue, UnitRowsBackward<T>{dx, of_dy, of_y, by, r, c});
      run(queue, UnitRowsBackward<T>{in_place, in_place, of_y, by, r, c});
    });
  }
}
