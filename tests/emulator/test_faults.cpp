// Faults planted in copies of the proof kernels (faults.cmake): each one is caught, and by whom is
// part of the test. `found`: the emulator's own finding, which must come under every schedule.
// `values`: the comparison with the CPU.
#include <map>
#include "device_check.h"
#include "kernels/augment.h"
#include "kernels/elementwise.h"
#include "kernels/groupnorm.h"
#include "kernels/layernorm.h"
#include "kernels/reduction.h"

using namespace autodidact;
using namespace autodidact::test;

#define FAULT(name) void run_##name(const void* queue, const void* arguments);
#include "faults/list.inc"
#undef FAULT

namespace {

using Run = void (*)(const void*, const void*);
const std::map<std::string, Run>& planted() {
  static const std::map<std::string, Run> all = {
#define FAULT(name) {#name, run_##name},
#include "faults/list.inc"
#undef FAULT
  };
  return all;
}

// What a kernel without a fault is run on here; each shape makes the faults below matter.
constexpr int kSamples = 2, kPixels = 45, kChannels = 36, kGroups = 4;  // 36: a part of 32 channels
constexpr int64_t kElements = int64_t(kSamples) * kPixels * kChannels;

// kernel(call, buffers): call(p) runs the arguments p.
template <class Kernel>
Verdict judge(Run fault, Kernel kernel) {
  auto healthy = [&](auto queue, auto& b) { kernel([&](auto p) { run(queue, p); }, b); };
  auto faulty = [&](auto queue, auto& b) {
    kernel([&](auto p) { fault ? fault(&queue, &p) : run(queue, p); }, b);
  };
  return judge_device<float>(healthy, faulty);
}

// A row is three warps, and two rows a block.
Verdict forward(Run fault) {
  constexpr int kRows = 3, kCols = 300;
  Values x = random_values(kRows * kCols, 1, 1, 0.5), gamma = random_values(kCols, 2, 0.3, 1);
  Values beta = random_values(kCols, 3);
  return judge(fault, [&]<template <class> class B, class T>(auto call, B<T>& b) {
    T* y = b.out(kRows * kCols);
    Acc<T>*mean = b.out_acc(kRows, largest(x)), *rstd = b.out_acc(kRows);
    call(LayerNormForward<T>{y, mean, rstd, b.in(x), b.in_acc(gamma), b.in_acc(beta), kRows, kCols,
                             1e-5f});
  });
}

Verdict backward(Run fault) {
  Values x = random_values(kElements, 1), dy = random_values(kElements, 2);
  Values gamma = random_values(kChannels, 3, 0.3, 1), mean = random_values(8, 4, 0.2);
  Values rstd = random_values(8, 5, 0.2, 1);
  return judge(fault, [&]<template <class> class B, class T>(auto call, B<T>& b) {
    T* dx = b.out(kElements);
    Acc<T>*dgamma = b.out_acc(kChannels), *dbeta = b.out_acc(kChannels);
    call(GroupNormBackward<T>{dx, dgamma, dbeta, nullptr, b.in(dy), b.in(x), nullptr,
                              b.in_acc(gamma), b.in_acc(mean), b.in_acc(rstd), kSamples, kPixels,
                              kChannels, kGroups, false});
  });
}

// Two chunks of rows.
Verdict columns(Run fault) {
  Values x = random_values(kElements, 1);
  return judge(fault, [&]<template <class> class B, class T>(auto call, B<T>& b) {
    call(SumRows<T>{b.out_acc(kChannels, 1), b.in(x), kSamples * kPixels, kChannels});
  });
}

Verdict scale(Run fault) {
  constexpr int64_t n = 4 * 256 + 7;
  Values x = random_values(n, 1);
  return judge(fault, [&]<template <class> class B, class T>(auto call, B<T>& b) {
    call(ScaleShift<T>{b.out(n), b.in(x), n, 1.7, -0.3});
  });
}

Verdict augment(Run fault) {
  constexpr int kSide = 9, kImages = 6;  // the last one's crop reaches below the image
  std::vector<uint8_t> images(kImages * kSide * kSide * 3);
  for (size_t i = 0; i < images.size(); ++i) images[i] = uint8_t(7 * i + 1);
  std::vector<int64_t> indices = {4, 11, 2, 9, 1, 8};
  return judge(fault, [&]<template <class> class B, class T>(auto call, B<T>& b) {
    T* y = b.out(4 * kImages * kSide * kSide * 3);
    int32_t* turns = b.template out_as<int32_t>(4 * kImages);
    call(Augment<T>{y,
                    turns,
                    b.in_exact(images),
                    b.in_exact(indices),
                    kImages,
                    kSide,
                    kSide,
                    3,
                    2,
                    kSide,
                    {0.4f, 0.5f, 0.6f},
                    {0.2f, 0.25f, 0.3f},
                    true,
                    true,
                    Rotation::all,
                    5,
                    1,
                    0});
  });
}

struct Case {
  const char* fault;
  Verdict (*run)(Run);
  const char* found;  // part of the emulator's finding; null: the values differ from the CPU's
};
// In faults.cmake's order.
const Case kCases[] = {
    {"first_barrier_removed", forward, "no __syncthreads between them"},
    {"second_barrier_removed", forward, "no __syncthreads between them"},
    {"columns_barrier_removed", backward, "no __syncthreads between them"},
    {"barrier_for_half_of_the_rows", backward, "threads wait at different barriers"},
    {"threads_leave_before_the_barrier", backward, "a barrier that not all threads reach"},
    {"one_warp_skips_the_sum", forward, "a barrier that not all threads reach"},
    {"mask_of_half_a_warp", forward, "is not in the mask"},
    {"mask_without_the_last_lane", forward, "is not in the mask"},
    {"shuffle_in_a_branch", forward, "deadlock"},
    {"shuffle_starts_too_near", forward, nullptr},
    {"shared_read_before_written", forward, "which nothing has written"},
    {"shared_index_off_by_one", forward, "which nothing has written"},
    {"shared_memory_too_small", forward, "shared<T>() needs"},
    {"shared_row_off_by_one", columns, "reads outside of shared memory"},
    {"all_lanes_write_the_sum", forward, "no __syncwarp between them"},
    {"loop_one_too_far", columns, "reads outside of a buffer"},
    {"channels_unchecked", columns, "writes outside of a buffer"},
    {"every_thread_writes_the_mean", forward, "no __syncwarp between them"},
    {"pack_over_the_end", scale, "outside of a buffer"},
    {"packs_overlap", scale, "no __syncwarp between them"},
    {"row_below_the_image", augment, "reads outside of a buffer"},
    {"two_blocks_one_output", augment, "nothing orders two blocks of one launch"},
    {"flip_off_by_one", augment, nullptr},
    {"mean_over_one_less", forward, nullptr},
    {"term_of_dx_dropped", backward, nullptr},
};

}  // namespace

TEST_CASE("planted faults: without one the five proof calls are clean") {
  for (auto run : {forward, backward, columns, scale, augment}) {
    Verdict v = run(nullptr);
    INFO(v.findings);
    CHECK(v.good());
  }
}

TEST_CASE("planted faults: each one is caught" * doctest::skip(!emulator::watches_memory())) {
  CHECK(std::size(kCases) == planted().size());
  for (const Case& c : kCases) {
    SUBCASE(c.fault) {
      Verdict v = c.run(planted().at(c.fault));
      CAPTURE(v.findings);
      if (c.found) {
        CHECK(v.schedules_that_find == int(kSchedules.size()));
        CHECK(has(v.findings, c.found));
      } else {
        CHECK(v.findings == "");
        CHECK(v.values);
      }
    }
  }
}

// The second net, for what the instrumentation cannot see: with it switched off, a missing barrier
// still changes the values under unfair turns. Fair turns hide one of these two.
TEST_CASE("planted faults: unfair turns show a missing barrier in the values") {
  emulator::watch(false);
  Verdict first = forward(planted().at("first_barrier_removed"));
  Verdict second = forward(planted().at("second_barrier_removed"));
  emulator::watch(true);
  CHECK(first.findings == "");
  CHECK_FALSE(first.values);  // judged on the first schedule, the fair one
  CHECK(first.schedules);
  CHECK(second.findings == "");
  CHECK(second.schedules);
}
