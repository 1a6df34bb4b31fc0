// NT-Xent on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/ntxent.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int pairs, dim;
  float temperature;
};
// The fewest; one tile of 64 and two rows more; pairs that lie in one tile of rows and in two; dim
// on both sides of 128, 256 and 512.
const Case kCases[] = {{1, 1, 0.5f},   {2, 3, 0.5f},    {32, 16, 0.2f},  {33, 24, 0.1f},
                       {70, 20, 0.1f}, {5, 129, 0.07f}, {17, 300, 0.5f}, {3, 530, 0.2f}};

}  // namespace

TEST_CASE("ntxent.cu: as on the CPU, and the loss alone") {
  for (const Case& c : kCases)
    for (bool gradient : {true, false}) {
      const int64_t n = 2 * int64_t(c.pairs) * c.dim;
      const Values z = random_values(n, 3, 1 / std::sqrt(0.75 * c.dim));
      check_device("ntxent", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        NtXent<T> p{};
        p.loss = b.out_acc(1, 2 / double(c.temperature));
        // A row's gradient is a difference of sums: its terms are weights of at most 2 times z.
        if (gradient) p.dz = b.out_acc(n, 4 / (double(c.temperature) * 2 * c.pairs));
        p.z = b.in(z), p.pairs = c.pairs, p.dim = c.dim, p.temperature = c.temperature;
        run(queue, p);
      });
    }
}

TEST_CASE("ntxent.cu: ranks, where logits are whole numbers") {
  const int pairs = 35, dim = 5;
  Values z;
  for (int i = 0; i < 2 * pairs * dim; ++i) z.push_back(i * 7 % 11 % 5 - 2);
  check_device("ntxent ranks", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    NtXent<T> p{};
    p.rank = b.template out_as<int32_t>(2 * pairs);
    p.z = b.in(z), p.pairs = pairs, p.dim = dim, p.temperature = 1;
    run(queue, p);
  });
}

TEST_CASE("ntxent.cu: a row's own logit counts for nothing, however large") {
  // Unit rows at temperature 0.01: e^100 would hide everything else.
  const Values z = {1, 0, 0, 1, 1, 0, 0, 1};
  check_device("ntxent", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    NtXent<T> p{};
    p.loss = b.out_acc(1, 100), p.dz = b.out_acc(8, 100);
    p.z = b.in(z), p.pairs = 2, p.dim = 2, p.temperature = 0.01f;
    run(queue, p);
  });
}
