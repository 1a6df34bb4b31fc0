// Reductions on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/reduction.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int64_t rows;
  int cols;
};
// One element, odd ones, whole packs, rows and columns over one block, several chunks of rows.
const Case kCases[] = {{1, 1},   {0, 5},    {3, 7},    {70, 3},    {5, 40},
                       {9, 300}, {2, 2100}, {601, 16}, {1000, 24}, {130, 33}};

}  // namespace

TEST_CASE("reduction.cu: sums over rows as on the CPU") {
  for (const Case& k : kCases) {
    Values x = random_values(k.rows * k.cols, 1, 1, 0.2);
    double size = largest(x);
    check_device("sum_rows", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, SumRows<T>{b.out_acc(k.cols, double(k.rows) * size), b.in(x), k.rows, k.cols});
    });
  }
}

TEST_CASE("reduction.cu: sums of everything as on the CPU, one block and several") {
  for (int64_t n : {1, 7, 1024, 4099, 20000}) {
    Values x = random_values(n, 1, 1, 0.2);
    check_device("sum_all", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, SumAll<T>{b.out_acc(1, largest(x)), b.in(x), n, 1.0 / double(n)});
    });
    check_device("sum_of_squares", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, SumOfSquares<T>{b.out_acc(1), b.in(x), n});
    });
    check_device(
        "sum_all, not aligned", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
          run(queue, SumAll<T>{b.out_acc(1, largest(x)), b.in(x) + 1, n - 1, 0.5 / double(n)});
        });
  }
}

TEST_CASE("reduction.cu: the gradient of a sum as on the CPU") {
  for (const Case& k : kCases) {
    Values col = random_values(k.rows, 2);
    check_device("spread_cols", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, SpreadCols<T>{b.out(k.rows * k.cols), b.in_acc(col), k.rows, k.cols, 0.3});
    });
  }
}
