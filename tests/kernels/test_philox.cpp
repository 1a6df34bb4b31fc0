// Philox 4x32-10 against the known answers of Random123 (examples/kat_vectors), and the draws that
// recipes depend on.
#include <doctest/doctest.h>
#include <initializer_list>
#include "kernels/philox.h"

using namespace autodidact;

TEST_CASE("philox4x32-10 gives Random123's known answers") {
  auto check = [](uint64_t key, uint64_t low, uint64_t high, uint32_t a, uint32_t b, uint32_t c,
                  uint32_t d) {
    Philox4 r = philox(key, low, high);
    CHECK(r.v[0] == a);
    CHECK(r.v[1] == b);
    CHECK(r.v[2] == c);
    CHECK(r.v[3] == d);
  };
  check(0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  check(~0ull, ~0ull, ~0ull, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
  // The digits of pi: counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0.
  check(0x299f31d0a4093822ull, 0x85a308d3243f6a88ull, 0x0370734413198a2eull, 0xd16cfe09, 0x94fdcceb,
        0x5001e420, 0x24126ea1);
}

TEST_CASE("uniform and below stay in range and reach both ends") {
  CHECK(uniform(0) == 0.0f);
  CHECK(uniform(0xffffffffu) < 1.0f);
  CHECK(uniform(0xffffffffu) == 1.0f - 0x1p-24f);
  for (uint32_t n : {1u, 3u, 10u, 50000u}) {
    CHECK(below(0, n) == 0);
    CHECK(below(0xffffffffu, n) == n - 1);
  }
}
