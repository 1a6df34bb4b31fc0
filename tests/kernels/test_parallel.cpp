// The thread pool's promises: every index once, the same chunks for any thread count, exceptions
// reach the caller.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <vector>
#include "kernels/parallel.h"

using namespace autodidact;

TEST_CASE("parallel_for visits every index once, for any thread count") {
  for (int threads : {1, 2, 3, 8}) {
    set_thread_count(threads);
    for (int64_t n : {0, 1, 7, 64, 1000})
      for (int64_t grain : {1, 3, 64, 5000}) {
        std::vector<int> visits(size_t(n), 0);
        parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          CHECK(begin % grain == 0);
          for (int64_t i = begin; i < end; ++i) ++visits[size_t(i)];
        });
        for (int v : visits) REQUIRE(v == 1);
      }
  }
  set_thread_count(2);
}

static int64_t threads_alive() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

TEST_CASE("threads start with the first region that has work for two") {
  set_thread_count(1);
  // A joined thread may be listed for a moment longer.
  for (int i = 0; i < 1000 && threads_alive() > 1; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  int64_t before = threads_alive();
  set_thread_count(4);
  parallel_for(1, 1, [](int64_t, int64_t) {});
  CHECK(threads_alive() == before);
  parallel_for(8, 1, [](int64_t, int64_t) {});
  CHECK(threads_alive() == before + 3);
  set_thread_count(2);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they map more than the limit
TEST_CASE("where the system gives fewer threads, those that started do the work") {
  set_thread_count(1);  // no workers: the child would not have them
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    long pages = 0;
    if (FILE* statm = std::fopen("/proc/self/statm", "r")) {
      if (std::fscanf(statm, "%ld", &pages) != 1) _exit(2);
      std::fclose(statm);
    }
    // Room for two or three stacks of 8 MiB.
    rlimit limit{};
    limit.rlim_cur = limit.rlim_max = rlim_t(pages) * rlim_t(sysconf(_SC_PAGESIZE)) + (24u << 20);
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(3);
    set_thread_count(64);
    std::atomic<int> sum = 0;
    parallel_for(100, 1, [&](int64_t i, int64_t) { sum += int(i); });
    _exit(sum != 4950 ? 4 : thread_count() >= 64 ? 5 : 0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  set_thread_count(2);
}
#endif

TEST_CASE("an exception in a chunk reaches the caller, and the pool goes on working") {
  set_thread_count(3);
  CHECK_THROWS_WITH(parallel_for(100, 1,
                                 [](int64_t i, int64_t) {
                                   if (i == 41) throw std::runtime_error("chunk 41");
                                 }),
                    "chunk 41");
  std::atomic<int> sum = 0;
  parallel_for(100, 1, [&](int64_t i, int64_t) { sum += int(i); });
  CHECK(sum == 4950);
  set_thread_count(2);
}

TEST_CASE("a nested parallel_for runs in place") {
  std::atomic<int> visits = 0;
  parallel_for(8, 1,
               [&](int64_t, int64_t) { parallel_for(8, 1, [&](int64_t, int64_t) { ++visits; }); });
  CHECK(visits == 64);
}

TEST_CASE("scratch memory is aligned and released in reverse order") {
  for (int round = 0; round < 3; ++round) {
    Scratch<float> a(1000), b(3 << 20), c(17);
    for (float* p : {a.data(), b.data(), c.data()}) CHECK(reinterpret_cast<uintptr_t>(p) % 64 == 0);
    a[999] = 1, b[(3 << 20) - 1] = 2, c[16] = 3;
    CHECK(a[999] == 1);
    CHECK(b[(3 << 20) - 1] == 2);
  }
  CHECK(scratch_high_water() >= (size_t(3) << 22));
}

// In a thread of its own: its scratch starts empty.
template <class F>
static void on_new_thread(F f) {
  std::exception_ptr failure;
  std::thread([&] {
    try {
      f();
    } catch (...) { failure = std::current_exception(); }
  }).join();
  if (failure) std::rethrow_exception(failure);
}

TEST_CASE("scratch of zero bytes has a place of its own, and a larger block may follow it") {
  on_new_thread([] {
    for (int round = 0; round < 3; ++round) {
      Scratch<float> none(0);
      REQUIRE(none.data() != nullptr);
      Scratch<float> large(int64_t(1) << (20 + round)), nothing(0);
      large[(int64_t(1) << (20 + round)) - 1] = 1;
      REQUIRE(nothing.data() != none.data());
    }
  });
}

TEST_CASE("of the blocks that scratch no longer uses the largest is kept") {
  on_new_thread([] {
    float* large_block;
    {
      Scratch<float> base(1 << 10);  // opens the first block, of 1 MiB
      {
        Scratch<float> large(1 << 20);  // does not fit: a block of 4 MiB
        large_block = large.data();
        Scratch<float> small(1 << 10);  // nor this: a third block
      }
    }
    Scratch<float> again(1 << 20);
    REQUIRE(again.data() == large_block);
  });
}
