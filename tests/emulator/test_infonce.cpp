// InfoNCE over a queue, and the queue's step, on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/infonce.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int batch, keys, dim;
  float temperature;
  bool unit;
  bool k_in_queue = false;
};
// One of everything; tiles of 64 and 32 queries and one more; tiles of 64 keys, one less and more;
// dim on both sides of 128, 256 and 512; 2 / t on both sides of 80. Lengths are about 1.
// A bank that holds the positives too.
const Case kCases[] = {{1, 1, 1, 1.0f, false},        {3, 63, 8, 0.1f, true},
                       {65, 130, 20, 0.1f, true},     {5, 200, 129, 0.024f, true},
                       {33, 65, 300, 0.5f, false},    {2, 70, 530, 0.2f, false},
                       {9, 130, 20, 0.1f, true, true}};

}  // namespace

TEST_CASE("infonce.cu: as on the CPU, and without dq") {
  for (const Case& c : kCases)
    for (bool gradient : {true, false}) {
      const double scale = 1 / std::sqrt(0.75 * c.dim);  // random_values have variance 0.75
      Values q = random_values(int64_t(c.batch) * c.dim, 1, scale),
             k = random_values(int64_t(c.batch) * c.dim, 2, scale),
             keys = random_values(int64_t(c.keys) * c.dim, 3, scale);
      if (c.k_in_queue) std::copy(k.begin(), k.end(), keys.end() - int64_t(k.size()));
      check_device("infonce", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        InfoNce<T> p{};
        p.loss = b.out_acc(1), p.lse = b.out_acc(c.batch);
        if (gradient) p.dq = b.out_acc(int64_t(c.batch) * c.dim), p.row_loss = b.out_acc(c.batch);
        // One rank only where no two logits are close: a tie may fall to either side.
        if (c.keys == 1) p.rank = b.template out_as<int32_t>(c.batch);
        p.q = b.in(q), p.k = b.in(k), p.queue = b.in(keys);
        p.batch = c.batch, p.keys = c.keys, p.dim = c.dim;
        p.temperature = c.temperature, p.unit = c.unit, p.k_in_queue = c.k_in_queue;
        run(queue, p);
      });
    }
}

TEST_CASE("infonce.cu: ranks, where logits are whole numbers") {
  const int batch = 34, keys = 140, dim = 5;
  Values q, k, queue;
  for (int i = 0; i < batch * dim; ++i) q.push_back(i * 7 % 5 - 2), k.push_back(i * 3 % 4 - 1);
  for (int i = 0; i < keys * dim; ++i) queue.push_back(i * 11 % 7 - 3);
  check_device("infonce", [&]<template <class> class B, class T>(auto device, B<T>& b) {
    InfoNce<T> p{};
    p.rank = b.template out_as<int32_t>(batch), p.row_loss = b.out_acc(batch);
    p.q = b.in(q), p.k = b.in(k), p.queue = b.in(queue);
    p.batch = batch, p.keys = keys, p.dim = dim, p.temperature = 1;
    run(device, p);
  });
}

TEST_CASE("infonce.cu: the queue takes a batch as on the CPU, wrapping round, too long, empty") {
  for (int batch : {0, 1, 5, 9, 17, 40})
    for (int next : {0, 6, 16}) {
      const int keys = 17, dim = 30;
      Values queue = random_values(keys * dim, 1), rows = random_values(batch * dim, 2);
      check_device("enqueue", [&]<template <class> class B, class T>(auto device, B<T>& b) {
        T* state = b.update(queue);
        int32_t* place = b.template out_as<int32_t>(1);
        *place = next;
        run(device, Enqueue<T>{state, place, b.in(rows), keys, batch, dim});
      });
    }
}
