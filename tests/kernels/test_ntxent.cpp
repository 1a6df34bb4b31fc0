// NT-Xent and rows of length 1 as kernels: every class against f64, the same bytes for any thread
// count, over the sizes at which blocks of rows end.
#include "kernels/ntxent.h"
#include "kernels/unit_rows.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

TEST_CASE("ntxent: every class and thread count") {
  struct Case {
    int pairs, dim;
    float temperature;
  };
  for (const Case& c :
       {Case{2, 1, 0.5f}, Case{32, 16, 0.2f}, Case{33, 24, 0.1f}, Case{100, 65, 0.07f}}) {
    const int rows = 2 * c.pairs;
    const Values z = random_values(int64_t(rows) * c.dim, 3, 1 / std::sqrt(0.75 * c.dim));
    check_kernel("ntxent", [&]<class T>(Buffers<T>& b) {
      NtXent<T> p{};
      p.loss = b.out_acc(1, 2 / double(c.temperature));
      // A row's gradient is a difference of sums: its terms are weights of at most 2 times z.
      p.dz = b.out_acc(int64_t(rows) * c.dim, 4 / (double(c.temperature) * rows));
      p.z = b.in(z), p.pairs = c.pairs, p.dim = c.dim, p.temperature = c.temperature;
      run(Cpu{}, p);
    });
  }
}

TEST_CASE("ntxent: a row's own logit counts for nothing, however large") {
  // Unit rows at temperature 0.01: e^100 would hide everything else.
  std::vector<double> z = {1, 0, 0, 1, 1, 0, 0, 1};
  double loss = 0;
  NtXent<double> p{};
  p.loss = &loss, p.z = z.data(), p.pairs = 2, p.dim = 2, p.temperature = 0.01f;
  run(Cpu{}, p);
  CHECK(loss == doctest::Approx(std::log1p(2 * std::exp(-1 / double(0.01f)))).epsilon(1e-9));
}

TEST_CASE("unit_rows: every class and thread count") {
  for (auto [rows, cols] : {std::pair(1, 1), {5, 7}, {33, 128}, {1000, 3}}) {
    const int64_t n = int64_t(rows) * cols;
    const Values x = random_values(n, 5), dy = random_values(n, 6);
    const int r = rows, c = cols;
    check_kernel("unit_rows", [&]<class T>(Buffers<T>& b) {
      T* y = b.out(n);
      Acc<T>* scale = b.out_acc(r);
      run(Cpu{}, UnitRowsForward<T>{y, scale, b.in(x), r, c, 1e-12f});
      run(Cpu{}, UnitRowsBackward<T>{b.out(n), b.in(dy), y, scale, r, c});
    });
  }
}
