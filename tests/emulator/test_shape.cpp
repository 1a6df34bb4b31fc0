// Moves of elements on emulated CUDA against the CPU. The kernels' own file is included, so that a
// block gets several matrices, as it does above 65535 of them.
#include "device_check.h"
#include "kernels/shape.cu"

using namespace autodidact;
using namespace autodidact::test;

TEST_CASE("shape.cu: transpose as on the CPU") {
  struct Case {
    int64_t batch;
    int rows, cols;
  };
  // Odd sizes, a part of a tile and several tiles, in single elements and in packs; one side of
  // whole packs.
  for (const Case& k : {Case{1, 1, 1}, Case{2, 5, 3}, Case{1, 33, 70}, Case{3, 16, 8},
                        Case{2, 64, 72}, Case{1, 40, 136}, Case{1, 16, 5}, Case{1, 5, 16}}) {
    int64_t n = k.batch * k.rows * k.cols;
    Values x = random_values(n, 1);
    check_device("transpose", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, Transpose<T>{b.out(n), b.in(x), k.batch, k.rows, k.cols});
    });
  }
}

TEST_CASE("shape.cu: a block that transposes one matrix after the other") {
  const int64_t batch = 5;
  const int rows = 33, cols = 70;
  Values x = random_values(batch * rows * cols, 1);
  check_device("transpose", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    Transpose<T> p{b.out(batch * rows * cols), b.in(x), batch, rows, cols};
    if constexpr (std::is_same_v<decltype(queue), Cuda>)
      launch(queue, dim3(3, 2, 2), kThreads, sizeof(TransposeTile<1, T>), transpose_kernel<1, T>,
             p);
    else run(queue, p);
  });
}

TEST_CASE("shape.cu: blocks of columns as on the CPU") {
  struct Case {
    int64_t rows;
    int cols, y_stride, x_stride, y_at, x_at;
  };
  for (const Case& k :
       {Case{1, 1, 1, 1, 0, 0}, Case{7, 3, 5, 4, 2, 1}, Case{9, 16, 40, 24, 8, 8},
        Case{300, 8, 8, 16, 0, 8}, Case{5, 264, 264, 264, 0, 0}, Case{6, 8, 24, 24, 5, 3},
        Case{5, 8, 9, 16, 0, 0}, Case{5, 8, 16, 9, 0, 0}}) {
    Values x = random_values(k.rows * k.x_stride, 1), y = random_values(k.rows * k.y_stride, 2);
    check_device("copy_columns", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, CopyColumns<T>{b.update(y) + k.y_at, b.in(x) + k.x_at, k.rows, k.cols, k.y_stride,
                                k.x_stride});
    });
  }
}

TEST_CASE("shape.cu: padded and cut columns as on the CPU") {
  struct Case {
    int64_t rows;
    int y_cols, x_cols, before;
  };
  for (const Case& k : {Case{1, 1, 1, 0}, Case{5, 9, 4, 3}, Case{5, 4, 9, -3}, Case{70, 32, 16, 8},
                        Case{3, 16, 32, -8}, Case{4, 8, 8, 8}, Case{4, 6, 3, -5},
                        Case{2, 300, 280, 16}, Case{3, 16, 13, 0}, Case{3, 16, 16, 3}}) {
    Values x = random_values(k.rows * k.x_cols, 1);
    check_device("pad_columns", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue,
          PadColumns<T>{b.out(k.rows * k.y_cols), b.in(x), k.rows, k.y_cols, k.x_cols, k.before});
    });
  }
}
