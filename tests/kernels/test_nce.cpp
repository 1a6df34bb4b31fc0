// Noise-contrastive estimation: every class and thread count.
#include "kernels/nce.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

TEST_CASE("nce: every class and thread count") {
  struct Case {
    int batch, negatives, dim, rows;
  };
  for (const Case& c : {Case{1, 1, 1, 2}, Case{5, 17, 7, 11}, Case{16, 40, 130, 300}}) {
    const double scale = 1 / std::sqrt(0.75 * c.dim);
    const Values v = random_values(int64_t(c.batch) * c.dim, 1, scale),
                 bank = random_values(int64_t(c.rows) * c.dim, 2, scale);
    std::vector<int64_t> own, noise;
    for (int b = 0; b < c.batch; ++b) own.push_back((7 * b + 1) % c.rows);
    for (int i = 0; i < c.batch * c.negatives; ++i) noise.push_back((13 * i + 5) % c.rows);
    check_kernel("nce", [&]<class T>(Buffers<T>& b) {
      Nce<T> p{};
      p.loss = b.out_acc(1), p.log_mean = b.out_acc(1, 1);
      p.dv = b.out_acc(int64_t(c.batch) * c.dim);
      p.v = b.in(v), p.bank = b.in(bank), p.own = b.in_exact(own), p.noise = b.in_exact(noise);
      p.rows = c.rows, p.batch = c.batch, p.negatives = c.negatives, p.dim = c.dim;
      p.temperature = 0.2f, p.shift = 1.5f;
      run(Cpu{}, p);
    });
  }
}

TEST_CASE("nce: with Z so that noise and picture weigh alike, one candidate costs 2 log 2") {
  // v.bank = 0 for both rows: exp = 1; shift 0 makes h = 1/2 for each.
  std::vector<double> v = {1, 0}, bank = {0, 1, 0, -1};
  const int64_t own = 0, noise = 1;
  double loss = 0, log_mean = 1;
  Nce<double> p{};
  p.loss = &loss, p.log_mean = &log_mean, p.v = v.data(), p.bank = bank.data();
  p.own = &own, p.noise = &noise, p.rows = p.dim = 2, p.batch = p.negatives = 1;
  p.temperature = 0.1f;
  run(Cpu{}, p);
  CHECK(loss == doctest::Approx(2 * std::log(2.0)));
  CHECK(log_mean == doctest::Approx(0));
}
