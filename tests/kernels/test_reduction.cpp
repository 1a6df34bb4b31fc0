// Sums: every class against f64, for sizes of one chunk and of several.
#include "kernels/reduction.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

TEST_CASE("sums of everything, of squares and of rows") {
  for (int64_t rows : {1, 7, 500})
    for (int cols : {1, 9, 65}) {
      int64_t n = rows * cols;
      Values x = random_values(n, 1, 1, 0.1);
      double magnitudes = 0, squares = 0;
      for (double v : x) magnitudes += std::abs(v), squares += v * v;
      check_kernel("sum_all", [&]<class T>(Buffers<T>& b) {
        run(Cpu{}, SumAll<T>{b.out_acc(1, magnitudes), b.in(x), n, 0.5});
      });
      check_kernel("sum_rows", [&]<class T>(Buffers<T>& b) {
        run(Cpu{}, SumRows<T>{b.out_acc(cols, 3 * double(rows)), b.in(x), rows, cols});
      });
      auto sum_of_squares = [&]<class T>(Buffers<T>& b) {
        Acc<T>* y = b.out_acc(1);
        run(Cpu{}, SumOfSquares<T>{y, b.in(x), n});
        return double(*y);
      };
      check_kernel("sum_of_squares", [&]<class T>(Buffers<T>& b) { sum_of_squares(b); });
      Buffers<double> exact(false);
      // The inputs have been rounded to float, by at most 2^-24 of each.
      CHECK(sum_of_squares(exact) == doctest::Approx(squares).epsilon(0x1p-22));
    }
}
