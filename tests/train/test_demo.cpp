// The demo's sizes: what --minutes asks for is there.
#include <doctest/doctest.h>
#include "tools/autodidact/demo_adapting.h"

using namespace autodidact;

TEST_CASE("demo: the streams of the longest one are no longer than the recipe's test split") {
  RunKeys keys;
  Recipe("ttt-world-quick").read(keys);
  CHECK(adapting_samples(3) == 400);
  CHECK(adapting_samples(double(keys.test_size) * 3 / 400) == keys.test_size);
  CHECK(adapting_samples(30) == keys.test_size);  // of `demo --minutes 60`
  CHECK(adapting_samples(0.1) == 50);
}
