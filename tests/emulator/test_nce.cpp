// Noise-contrastive estimation on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/nce.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int batch, negatives, dim, rows;
};
// One of everything; a warp's 32 of the noise and one more; more than a block's 256; dim beyond one
// block's columns with packs (of f32) and without.
const Case kCases[] = {{1, 1, 1, 2},     {5, 17, 7, 11},   {2, 33, 24, 300},
                       {2, 260, 16, 40}, {2, 34, 520, 50}, {2, 3, 131, 9}};

}  // namespace

TEST_CASE("nce.cu: as on the CPU, and without dv") {
  for (const Case& c : kCases)
    for (bool gradient : {true, false}) {
      const double scale = 1 / std::sqrt(0.75 * c.dim);
      const Values v = random_values(int64_t(c.batch) * c.dim, 1, scale),
                   bank = random_values(int64_t(c.rows) * c.dim, 2, scale);
      std::vector<int64_t> own, noise;
      for (int b = 0; b < c.batch; ++b) own.push_back((7 * b + 1) % c.rows);
      for (int i = 0; i < c.batch * c.negatives; ++i) noise.push_back((13 * i + 5) % c.rows);
      check_device("nce", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        Nce<T> p{};
        p.loss = b.out_acc(1), p.log_mean = b.out_acc(1, 1);
        if (gradient) p.dv = b.out_acc(int64_t(c.batch) * c.dim);
        p.v = b.in(v), p.bank = b.in(bank), p.own = b.in_exact(own), p.noise = b.in_exact(noise);
        p.rows = c.rows, p.batch = c.batch, p.negatives = c.negatives, p.dim = c.dim;
        p.temperature = 0.2f, p.shift = 1.5f;
        run(queue, p);
      });
    }
}

TEST_CASE("nce.cu: ranks, where logits are whole numbers") {
  const int batch = 3, negatives = 70, dim = 5, rows = 40;
  Values v, bank;
  for (int i = 0; i < batch * dim; ++i) v.push_back(i * 7 % 5 - 2);
  for (int i = 0; i < rows * dim; ++i) bank.push_back(i * 11 % 7 - 3);
  std::vector<int64_t> own = {3, 17, 0}, noise;
  for (int i = 0; i < batch * negatives; ++i) noise.push_back((13 * i + 5) % rows);
  check_device("nce ranks", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    Nce<T> p{};
    p.rank = b.template out_as<int32_t>(batch);
    p.v = b.in(v), p.bank = b.in(bank), p.own = b.in_exact(own), p.noise = b.in_exact(noise);
    p.rows = rows, p.batch = batch, p.negatives = negatives, p.dim = dim, p.temperature = 1;
    run(queue, p);
  });
}

TEST_CASE("nce.cu: an index that is no row's makes the loss NaN, and the row's gradient alone") {
  const int64_t rows = 3;
  for (int64_t wrong : {int64_t(-1), rows})
    for (bool of_noise : {false, true}) {
      DeviceBuffers<float> b(false);
      std::vector<int64_t> own = {0, 1}, noise = {1, 2, 0, 2};
      (of_noise ? noise[3] : own[1]) = wrong;
      Nce<float> p{};
      p.loss = b.out_acc(1), p.dv = b.out_acc(4);
      p.v = b.in({1, 2, 3, 4}), p.bank = b.in({1, 0, 0, 1, 1, 1});
      p.own = b.in_exact(own), p.noise = b.in_exact(noise);
      p.rows = rows, p.batch = 2, p.negatives = 2, p.dim = 2, p.temperature = 1;
      CHECK(findings(1, [&] { run(device_queue(), p); }) == "");
      CHECK(std::isnan(*p.loss));
      for (int i = 0; i < 4; ++i) CHECK(std::isnan(p.dv[i]) == (i >= 2));
    }
}
