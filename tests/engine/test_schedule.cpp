// Schedules: the points that their definitions fix.
#include "engine/schedule.h"
#include <doctest/doctest.h>
#include <cmath>
#include "engine/check.h"

using namespace autodidact;

TEST_CASE("schedule: warm-up rises in a line and its last step reaches the base") {
  Schedule s{.base = 0.8, .warmup = 4};
  CHECK(s(0) == doctest::Approx(0.2));
  CHECK(s(2) == doctest::Approx(0.6));
  CHECK(s(3) == 0.8);
  CHECK(s(4) == 0.8);
  CHECK(s(1000000) == 0.8);
}

TEST_CASE("schedule: cosine starts at the base, is half way in the middle, ends at `last`") {
  Schedule s{.base = 1, .decay = Decay::cosine, .total = 110, .warmup = 10, .last = 0.2};
  CHECK(s(10) == 1);
  CHECK(s(60) == doctest::Approx(0.6));
  CHECK(s(35) == doctest::Approx(0.2 + 0.8 * (1 + std::sqrt(0.5)) / 2));
  CHECK(s(110) == doctest::Approx(0.2));
  CHECK(s(111) == s(110));
  for (int i = 11; i <= 110; ++i) CHECK(s(i) < s(i - 1));
  Schedule endless{.base = 1, .decay = Decay::cosine, .total = 10, .warmup = 10};
  CHECK_THROWS_WITH_AS(endless(10),
                       "schedule: cosine needs more steps than its warm-up of 10, got 10", Error);
}

TEST_CASE("schedule: steps multiply at each milestone, the milestone itself included") {
  Schedule s{.base = 0.1, .decay = Decay::steps, .milestones = {60, 120}, .factor = 0.2};
  CHECK(s(59) == doctest::Approx(0.1));
  CHECK(s(60) == doctest::Approx(0.02));
  CHECK(s(119) == doctest::Approx(0.02));
  CHECK(s(120) == doctest::Approx(0.004));
  CHECK_THROWS_AS(s(-1), Error);
}
