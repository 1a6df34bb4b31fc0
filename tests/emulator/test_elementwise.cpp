// Elementwise kernels on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/elementwise.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

// 1, odd, a part of a pack of four, a whole block's work and one more than that.
const int64_t kSizes[] = {1, 3, 31, 1024, 1029};

template <class Op>
double shift() {  // into the domain, away from poles
  return std::is_same_v<Op, Log> || std::is_same_v<Op, Sqrt> ? 4.0 : 0.0;
}

template <class Op>
void check_unary(const std::string& name) {
  for (int64_t n : kSizes) {
    Values x = random_values(n, 1, 1, shift<Op>()), dy = random_values(n, 2);
    check_device(name, [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, UnaryForward<Op, T>{b.out(n), b.in(x), n});
    });
    Values y = random_values(n, 3, 1, shift<Op>());
    check_device(name + " backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, UnaryBackward<Op, T>{b.out(n), b.in(dy), b.in(x), b.in(y), n});
    });
  }
}

template <class Op>
void check_binary(const std::string& name) {
  for (int64_t n : {1, 3, 60, 1029})
    for (int64_t period : {n, n / 3, int64_t(1)}) {  // 60 / 3 is a whole number of packs
      if (period == 0) continue;
      Values a = random_values(n, 4), b_values = random_values(period, 5, 1, 4);
      Values dz = random_values(n, 6);
      check_device(name, [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        run(queue, BinaryForward<Op, T>{b.out(n), b.in(a), b.in(b_values), n, period});
      });
      check_device(name + " backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        run(queue, BinaryBackward<Op, T>{b.out(n), b.out(n), b.in(dz), b.in(a), b.in(b_values), n,
                                         period});
      });
      check_device(name + " db", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        run(queue,
            BinaryBackward<Op, T>{nullptr, b.out(n), b.in(dz), b.in(a), b.in(b_values), n, period});
      });
    }
}

}  // namespace

TEST_CASE("elementwise.cu: unary formulas as on the CPU") {
#define UNARY_CASE(Op) check_unary<Op>(#Op);
  UNARY_OPS(UNARY_CASE)
}

TEST_CASE("elementwise.cu: binary formulas as on the CPU, with and without repetition of b") {
#define BINARY_CASE(Op) check_binary<Op>(#Op);
  BINARY_OPS(BINARY_CASE)
}

TEST_CASE("elementwise.cu: scale, bias, accumulate, fill, cast as on the CPU") {
  for (int64_t n : kSizes) {
    Values x = random_values(n, 1), y = random_values(n, 2), s = {0.37};
    check_device("scale_shift", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, ScaleShift<T>{b.out(n), b.in(x), n, 1.7, -0.3});
    });
    check_device("scale_by", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, ScaleBy<T>{b.out(n), b.in(x), b.in_acc(s), n});
    });
    check_device("accumulate", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, Accumulate<T>{b.update(y), b.in(x), n});
    });
    check_device("fill", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, Fill<T>{b.out(n), n, 0.5});
    });
    for (int cols : {1, 5, 16}) {
      Values rows = random_values(n * cols, 3), bias = random_values(cols, 4);
      check_device("bias_add", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        run(queue, BiasAdd<T>{b.out(n * cols), b.in(rows), b.in_acc(bias), n, cols});
      });
    }
  }
}

TEST_CASE("elementwise.cu: casts give the CPU's bits") {
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0xfff00000u; bits += 1228901) {
    float f;
    memcpy(&f, &bits, 4);
    x.push_back(f);
  }
  std::vector<bf16> half(x.size());
  std::vector<float> back(x.size());
  run(Cuda{}, Cast<bf16, float>{half.data(), x.data(), int64_t(x.size())});
  run(Cuda{}, Cast<float, bf16>{back.data(), half.data(), int64_t(x.size())});
  for (size_t i = 0; i < x.size(); ++i) {
    REQUIRE(half[i].bits == bf16(x[i]).bits);
    REQUIRE((back[i] == float(half[i]) || back[i] != back[i]));
  }
}

TEST_CASE("elementwise.cu: addresses that are no multiple of a pack") {
  for (int64_t n : {1, 7, 1030}) {
    Values x = random_values(n + 3, 1), bias = random_values(8, 2);
    for (int64_t skip : {1, 2, 3}) {
      check_device("scale_shift", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        run(queue, ScaleShift<T>{b.out(n), b.in(x) + skip, n, 1.7, -0.3});
      });
      Values dy = random_values(n, 4);
      check_device("silu backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        run(queue, UnaryBackward<Silu, T>{b.out(n), b.in(dy), b.in(x) + skip, nullptr, n});
      });
      check_device("tanh backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        run(queue, UnaryBackward<Tanh, T>{b.out(n), b.in(dy), nullptr, b.in(x) + skip, n});
      });
      check_device("bias_add", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        run(queue,
            BiasAdd<T>{b.out(4 * n), b.in(random_values(4 * n, 3)), b.in_acc(bias) + skip, n, 4});
      });
    }
  }
}

TEST_CASE("elementwise.cu: more elements than threads in the largest grid") {
  // Not a multiple of a pack, and not aligned: one element a thread, the grid goes around.
  const int64_t n = 1024 * 256 + 1001;
  std::vector<float> x(n + 1), y(n, -1);
  for (int64_t i = 0; i <= n; ++i) x[size_t(i)] = float(i);
  run(Cuda{}, ScaleShift<float>{y.data(), x.data() + 1, n, 2, 0});
  int64_t wrong = 0;
  for (int64_t i = 0; i < n; ++i) wrong += y[size_t(i)] != 2 * float(i + 1);
  CHECK(wrong == 0);
}
