// The twin of cp.async: when the bytes arrive, and that a missing wait or barrier is found.
#include <doctest/doctest.h>
#include <vector>
#include "findings.h"
#include "kernels/async_copy.h"

using namespace autodidact;

namespace {

struct Memory {
  alignas(16) uint32_t v[256];
};

// Three groups of one copy each and one that is never closed. y: [5, 4], what shared memory has
// after each wait: first the old values.
__global__ void groups_kernel(uint32_t* y, const uint32_t* x) {
  auto& memory = shared<Memory>();
  auto look = [&](int time) {
    for (int copy = 0; copy < 4; ++copy) y[time * 4 + copy] = memory.v[copy * 4 + 3];
  };
  for (int i = 0; i < 16; ++i) memory.v[i] = 7;
  for (int copy = 0; copy < 4; ++copy) {
    copy_async<16>(&memory.v[copy * 4], x + copy * 4, 16);
    if (copy < 3) commit_copies();
  }
  look(0);
  wait_copies<3>();
  look(1);
  wait_copies<1>();
  look(2);
  wait_copies<0>();
  look(3);
  commit_copies();  // the fourth, then an empty group
  commit_copies();
  wait_copies<1>();
  look(4);
}

template <int kBytes>
__global__ void zeros_kernel(uint8_t* y, const uint8_t* x, int bytes) {
  auto* to = reinterpret_cast<uint8_t*>(&shared<Memory>());
  copy_async<kBytes>(to, bytes ? x : nullptr, bytes);
  commit_copies();
  wait_copies<0>();
  for (int i = 0; i < kBytes; ++i) y[i] = to[i];
}

// Thread t copies 4 bytes; then the thread `distance` further reads them. What is left out:
enum class Without { nothing, wait, commit, barrier, wait_and_barrier };
__global__ void neighbour_kernel(uint32_t* y, const uint32_t* x, int distance, Without without) {
  auto& memory = shared<Memory>();
  const int t = int(threadIdx.x);
  copy_async<4>(&memory.v[t], x + t, 4);
  if (without != Without::commit) commit_copies();
  if (without != Without::wait && without != Without::wait_and_barrier) wait_copies<0>();
  if (without != Without::barrier && without != Without::wait_and_barrier) __syncthreads();
  y[t] = memory.v[t ^ distance];
}

// A buffer is read and then filled again: between the two there must be a barrier, though the copy
// lands only after the next one.
__global__ void refill_kernel(uint32_t* y, const uint32_t* x, bool barrier) {
  auto& memory = shared<Memory>();
  const int t = int(threadIdx.x);
  memory.v[t] = 1;
  __syncthreads();
  y[t] = memory.v[t ^ 32];
  if (barrier) __syncthreads();
  copy_async<4>(&memory.v[t], x + t, 4);
  commit_copies();
  __syncthreads();
  wait_copies<0>();
  __syncthreads();
  y[t] += memory.v[t ^ 32];
}

enum class Touch { nothing, write, copy };
__global__ void under_way_kernel(const uint32_t* x, Touch touch) {
  auto& memory = shared<Memory>();
  if (threadIdx.x == 0) copy_async<16>(&memory.v[0], x, 16);
  commit_copies();
  __syncthreads();
  if (threadIdx.x == 32 && touch == Touch::write) memory.v[3] = 1;
  if (threadIdx.x == 32 && touch == Touch::copy) copy_async<4>(&memory.v[3], x, 4);
}

enum class Bad { to, from, not_shared, outside };
__global__ void address_kernel(uint32_t* y, const uint32_t* x, Bad bad) {
  auto& memory = shared<Memory>();
  void* to = bad == Bad::to           ? &memory.v[1]
             : bad == Bad::not_shared ? y
             : bad == Bad::outside    ? &memory.v[256]
                                      : &memory.v[0];
  copy_async<16>(to, x + (bad == Bad::from ? 1 : 0), 16);
}

struct alignas(16) Input {
  uint32_t v[64];
  Input() {
    for (uint32_t i = 0; i < 64; ++i) v[i] = 100 + i;
  }
};

}  // namespace

TEST_CASE("emulator: a copy lands at the wait for its group, never earlier") {
  const Input x;
  const uint32_t o = 7;
  const std::vector<uint32_t> expected = {o,   o,   o,   o,  // issued
                                          o,   o,   o,   o,  // three may be pending
                                          103, 107, o,   o,  // one may be
                                          103, 107, 111, o,  // none; the fourth is in no group
                                          103, 107, 111, 115};
  emulator::watch(false);  // looking at bytes under way is what is tested here
  for (uint64_t seed : kSchedules) {
    std::vector<uint32_t> y(20);
    CHECK(findings(seed, [&] {
            launch(Cuda{}, 1, 1, sizeof(Memory), groups_kernel, y.data(), x.v);
          }) == "");
    CHECK(y == expected);
  }
  emulator::watch(true);
}

TEST_CASE("emulator: a copy fills up with zeros") {
  alignas(16) const uint8_t x[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  auto check = [&](auto kernel, int size) {
    for (int bytes = 0; bytes <= size; ++bytes) {
      uint8_t y[16];
      CHECK(findings(0, [&] { launch(Cuda{}, 1, 1, sizeof(Memory), kernel, y, x, bytes); }) == "");
      for (int i = 0; i < size; ++i) CHECK(y[i] == (i < bytes ? x[i] : 0));
    }
  };
  check(zeros_kernel<4>, 4);
  check(zeros_kernel<8>, 8);
  check(zeros_kernel<16>, 16);
}

TEST_CASE("emulator: without the wait or the barrier a copy is a race" *
          doctest::skip(!emulator::watches_memory())) {
  const Input x;
  std::vector<uint32_t> y(64);
  for (uint64_t seed : kSchedules) {
    auto with = [&](int distance, Without without) {
      return findings(seed, [&] {
        launch(Cuda{}, 1, 64, sizeof(Memory), neighbour_kernel, y.data(), x.v, distance, without);
      });
    };
    for (int distance : {0, 1, 32}) {
      CHECK(with(distance, Without::nothing) == "");
      CHECK(y[0] == 100 + uint32_t(distance));
      std::string text = with(distance, Without::wait);
      CHECK(has(text, "race in shared memory, byte "));
      CHECK(has(text, "a copy of thread "));
      CHECK(has(text, "under way, writes at "));
      CHECK(has(text, "called at tests/emulator/test_async_copy.cpp:"));
      CHECK(has(text, "no wait for that copy between them"));
      CHECK(has(with(distance, Without::commit), "no wait for that copy between them"));
    }
    CHECK(with(0, Without::barrier) == "");  // a thread sees its own copies after the wait
    // Whichever of the two comes first, one of two lines is printed.
    std::string text = with(32, Without::barrier);
    CHECK((has(text, "no __syncthreads between them") || has(text, "under way") ||
           has(text, "which nothing has written")));
    CHECK(with(32, Without::wait_and_barrier) != "");
  }
}

TEST_CASE("emulator: a buffer is filled again only after a barrier" *
          doctest::skip(!emulator::watches_memory())) {
  const Input x;
  std::vector<uint32_t> y(64);
  for (uint64_t seed : kSchedules) {
    auto with = [&](bool barrier) {
      return findings(seed, [&] {
        launch(Cuda{}, 1, 64, sizeof(Memory), refill_kernel, y.data(), x.v, barrier);
      });
    };
    CHECK(with(true) == "");
    CHECK(y[0] == 133);
    std::string text = with(false);
    CHECK(has(text, "race in shared memory"));
    auto under = [&](Touch touch) {
      return findings(seed,
                      [&] { launch(Cuda{}, 1, 64, sizeof(Memory), under_way_kernel, x.v, touch); });
    };
    CHECK(under(Touch::nothing) == "");
    CHECK(has(under(Touch::write), "no wait for that copy between them"));
    CHECK(has(under(Touch::copy), "no wait for that copy between them"));
  }
}

TEST_CASE("emulator: a copy's addresses are aligned, and the destination is shared memory") {
  const Input x;
  Input y;
  auto with = [&](Bad bad) {
    return findings(0,
                    [&] { launch(Cuda{}, 1, 1, sizeof(Memory), address_kernel, y.v, x.v, bad); });
  };
  CHECK(has(with(Bad::to), "cp.async of 16 bytes: an address is no multiple"));
  CHECK(has(with(Bad::from), "cp.async of 16 bytes: an address is no multiple"));
  CHECK(has(with(Bad::not_shared), "cp.async to an address outside of shared memory"));
  if (emulator::watches_memory())
    CHECK(has(with(Bad::outside), "writes outside of shared memory: 16 bytes at offset 1024"));
}
