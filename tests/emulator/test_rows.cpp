// Rows of a table on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/rows.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int rows, dim, count;
};
// One of everything; packs and none; more than a warp's columns; more rows than a block's; none.
const Case kCases[] = {{1, 1, 1}, {5, 7, 3}, {9, 16, 40}, {4, 300, 9}, {3, 8, 0}, {2, 2053, 3}};

// Each index several times where there are more of them than rows.
std::vector<int64_t> indices_for(const Case& k) {
  std::vector<int64_t> indices;
  for (int i = 0; i < k.count; ++i) indices.push_back((i * 7 + i / 3) % k.rows);
  return indices;
}

}  // namespace

TEST_CASE("rows.cu: gathered as on the CPU") {
  for (const Case& k : kCases) {
    Values x = random_values(int64_t(k.rows) * k.dim, 1);
    check_device("gather rows", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* y = b.out(int64_t(k.count) * k.dim);
      const T* table = b.in(x);
      run(queue, GatherRows<T>{y, table, b.in_exact(indices_for(k)), k.rows, k.count, k.dim});
    });
  }
}

TEST_CASE("rows.cu: scattered as on the CPU, the last of equal indices") {
  for (const Case& k : kCases) {
    Values x = random_values(int64_t(k.rows) * k.dim, 1);
    Values y = random_values(int64_t(k.count) * k.dim, 2);
    check_device("scatter rows", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* table = b.update(x);
      const T* rows = b.in(y);
      run(queue, ScatterRows<T>{table, rows, b.in_exact(indices_for(k)), k.rows, k.count, k.dim});
    });
  }
}

TEST_CASE("rows.cu: scaled as on the CPU") {
  for (const Case& k : kCases) {
    Values x = random_values(int64_t(k.rows) * k.dim, 1), factors = random_values(k.rows, 2);
    check_device("scale rows", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* y = b.out(int64_t(k.rows) * k.dim);
      const T* rows = b.in(x);
      run(queue, ScaleRows<T>{y, rows, b.in_acc(factors), k.rows, k.dim});
    });
  }
}

TEST_CASE("rows.cu: an index that is no row's gives a row of NaN, and is skipped when scattered") {
  auto check = []<class T>(T) {
    DeviceBuffers<T> b(false);
    const T* table = b.in({1, 2, 3, 4, 5, 6});
    const int64_t* indices = b.in_exact(std::vector<int64_t>{2, 1, -1});
    T* y = b.out(9);
    CHECK(findings(1, [&] {
            run(device_queue(), GatherRows<T>{y, table, indices, 2, 3, 3});
          }) == "");
    for (int i : {0, 1, 2, 6, 7, 8}) CHECK(std::isnan(to_double(y[i])));
    for (int i : {3, 4, 5}) CHECK(to_double(y[i]) == i + 1);
    T* x = b.update({1, 2, 3, 4, 5, 6});
    const T* rows = b.in({10, 20, 30, 40, 50, 60, 70, 80, 90});
    CHECK(findings(1, [&] {
            run(device_queue(), ScatterRows<T>{x, rows, indices, 2, 3, 3});
          }) == "");
    const double expected[] = {1, 2, 3, 40, 50, 60};
    for (int i = 0; i < 6; ++i) CHECK(to_double(x[i]) == expected[i]);
  };
  check(float{}), check(bf16{});
}
