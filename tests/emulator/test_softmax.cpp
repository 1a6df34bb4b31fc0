// Softmax and cross entropy on emulated CUDA against the CPU.
#include "device_check.h"
#include "kernels/softmax.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Case {
  int64_t rows;
  int cols;
};
// A single column, odd ones, a warp and several warps a row, more columns than a block has packs.
const Case kCases[] = {{1, 1}, {5, 10}, {9, 16}, {17, 3}, {3, 100}, {5, 264}, {2, 1000}, {2, 2320}};

std::vector<int32_t> labels_of(const Case& k) {
  std::vector<int32_t> labels;
  for (int64_t r = 0; r < k.rows; ++r)
    labels.push_back(r % 4 == 3 ? -1 : int32_t(philox(7, uint64_t(r), 0).v[0] % uint32_t(k.cols)));
  return labels;
}

}  // namespace

TEST_CASE("softmax.cu: softmax and its logarithm, both directions, as on the CPU") {
  for (const Case& k : kCases) {
    int64_t n = k.rows * k.cols;
    Values x = random_values(n, 1, 3), dy = random_values(n, 2), y = random_values(n, 3, 0.1, 0.3);
    check_device("softmax", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, SoftmaxForward<T>{b.out(n), b.in(x), k.rows, k.cols});
    });
    check_device("softmax in place", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* in_place = b.update(x);
      run(queue, SoftmaxForward<T>{in_place, in_place, k.rows, k.cols});
    });
    check_device("log_softmax", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, LogSoftmaxForward<T>{b.out(n), b.in(x), k.rows, k.cols});
    });
    check_device("softmax backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, SoftmaxBackward<T>{b.out(n), b.in(dy), b.in(y), k.rows, k.cols});
    });
    Values log_y = random_values(n, 4, 1, -3);
    check_device(
        "log_softmax backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
          run(queue, LogSoftmaxBackward<T>{b.out(n), b.in(dy), b.in(log_y), k.rows, k.cols});
        });
  }
}

TEST_CASE("softmax.cu keeps its digits when all numbers of a row are large") {
  Values x = random_values(5 * 264, 1, 3, 1000);
  auto softmax = [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    run(queue, SoftmaxForward<T>{b.out(5 * 264), b.in(x), 5, 264});
  };
  auto log_softmax = [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    run(queue, LogSoftmaxForward<T>{b.out(5 * 264), b.in(x), 5, 264});
  };
  check_device_as<float>("softmax", softmax);
  check_device_as<float>("log_softmax", log_softmax);
}

TEST_CASE("softmax.cu: cross entropy, both directions, as on the CPU") {
  for (const Case& k : kCases)
    for (float smoothing : {0.0f, 0.9f}) {
      int64_t n = k.rows * k.cols;
      Values logits = random_values(n, 1, 3), max = random_values(k.rows, 2, 1, 4), dloss = {0.7};
      Values log_sum = random_values(k.rows, 3, 0.2, 1);
      std::vector<int32_t> labels = labels_of(k);
      for (bool rows_wanted : {true, false})
        check_device("cross_entropy", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
          Acc<T>*loss = b.out_acc(1), *row_max = b.out_acc(k.rows), *sums = b.out_acc(k.rows, 1);
          Acc<T>* row_loss = rows_wanted ? b.out_acc(k.rows) : nullptr;
          run(queue, CrossEntropyForward<T>{loss, row_max, sums, row_loss, b.in(logits),
                                            b.in_exact(labels), k.rows, k.cols, smoothing});
        });
      check_device(
          "cross_entropy backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
            run(queue, CrossEntropyBackward<T>{b.out(n), b.in_acc(dloss), b.in(logits),
                                               b.in_acc(max), b.in_acc(log_sum), b.in_exact(labels),
                                               k.rows, k.cols, smoothing});
          });
    }
}

TEST_CASE("softmax.cu: a label that is no class makes the loss NaN, and nothing is read for it") {
  std::vector<float> logits(10, 0.5f), max(2), log_sum(2);
  std::vector<int32_t> labels = {1, 5};
  float loss = 0;
  run(device_queue(), CrossEntropyForward<float>{&loss, max.data(), log_sum.data(), nullptr,
                                                 logits.data(), labels.data(), 2, 5, 0});
  CHECK(std::isnan(loss));
}

TEST_CASE("softmax.cu: without a counted row the loss is NaN, and the gradient zero") {
  std::vector<float> logits(10, 0.5f), max(2), log_sum(2), dlogits(10, 7.0f);
  std::vector<int32_t> labels = {-1, -1};
  float loss = 0, dloss = 1;
  run(device_queue(), CrossEntropyForward<float>{&loss, max.data(), log_sum.data(), nullptr,
                                                 logits.data(), labels.data(), 2, 5, 0});
  CHECK(std::isnan(loss));
  run(device_queue(), CrossEntropyBackward<float>{dlogits.data(), &dloss, logits.data(), max.data(),
                                                  log_sum.data(), labels.data(), 2, 5, 0});
  CHECK(dlogits == std::vector<float>(10, 0.0f));
}
