// The arena against a model of itself: no overlap, alignment, exact counts, guard zones, a clear
// end.
#include <doctest/doctest.h>
#include <cstring>
#include <fstream>
#include <map>
#include "engine/arena.h"
#include "engine/random.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

using namespace autodidact;

TEST_CASE("arena: random allocations never overlap and in_use is exact") {
  Arena arena(64 << 20);
  Rng rng(3);
  std::map<char*, size_t> live;
  size_t in_use = 0;
  for (int step = 0; step < 4000; ++step) {
    if (live.size() < 40 && rng.below(2)) {
      size_t bytes = rng.below(200000);
      char* p = static_cast<char*>(arena.allocate(bytes));
      REQUIRE(reinterpret_cast<uintptr_t>(p) % Arena::kAlignment == 0);
      auto next = live.lower_bound(p);
      if (next != live.end()) REQUIRE(p + bytes <= next->first);
      if (next != live.begin()) REQUIRE(std::prev(next)->first + std::prev(next)->second <= p);
      live[p] = bytes;
      in_use += std::max<size_t>((bytes + 255) / 256 * 256, 256);
    } else if (!live.empty()) {
      auto victim = std::next(live.begin(), rng.below(uint32_t(live.size())));
      arena.release(victim->first);
      in_use -= std::max<size_t>((victim->second + 255) / 256 * 256, 256);
      live.erase(victim);
    }
    REQUIRE(arena.in_use() == in_use);
    REQUIRE(arena.peak() >= in_use);
  }
  for (auto& [p, bytes] : live) arena.release(p);
  CHECK(arena.in_use() == 0);
  CHECK_NOTHROW(
      arena.release(arena.allocate(60 << 20)));  // the intervals have grown together again
}

TEST_CASE("arena: too much is refused with the figures, and what was held stays usable") {
  Arena arena(1 << 20);
  char* p = static_cast<char*>(arena.allocate(600000));
  CHECK_THROWS_WITH_AS(arena.allocate(500000),
                       doctest::Contains("500000 bytes asked, 600064 in use"), Error);
  CHECK_THROWS_AS(arena.allocate(~size_t(0)), Error);
  std::memset(p, 1, 600000);
  arena.release(p);
}

TEST_CASE("arena: a large limit costs nothing until it is used, under the sanitizers too") {
  auto resident_pages = [] {
    long size = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> size >> resident;
    return resident;
  };
  long before = resident_pages();
  Arena arena(size_t(4) << 30);
  void* p = arena.allocate(100);
  CHECK((resident_pages() - before) * 4096 < 16 << 20);
  arena.release(p);
}

#ifdef __SANITIZE_ADDRESS__
TEST_CASE("arena: the address sanitizer knows what is not given") {
  Arena arena(8 << 20);
  char* p = static_cast<char*>(arena.allocate(3 << 20));
  char* end = p + (3 << 20);
  CHECK(!__asan_region_is_poisoned(p, 3 << 20));
  CHECK(__asan_address_is_poisoned(end));
  arena.release(p);
  CHECK(__asan_address_is_poisoned(p));
  CHECK(__asan_address_is_poisoned(end - 1));
}
#endif

TEST_CASE("arena: a write past a block's end is found") {
  Arena arena(1 << 20);
  arena.set_guards(true);
  for (int where : {-1, 100, 255}) {
    char* p = static_cast<char*>(arena.allocate(100));
    CHECK(uint8_t(p[0]) == 0xff);  // poisoned
    CHECK_NOTHROW(arena.check_guards());
    p[where] = 0;
    CHECK_THROWS_AS(arena.check_guards(), Error);
    arena.release(p);
    CHECK_THROWS_AS(arena.check_guards(), Error);
    CHECK_NOTHROW(arena.check_guards());
  }
}
