// Max pooling: of equal numbers the first wins, NaN above all of them, on every CPU class as in the
// plain body, whose rule is spelled out once.
#include <doctest/doctest.h>
#include <cmath>
#include <limits>
#include <string>
#include "kernels/pool.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Few different numbers, so that windows have ties, and now and then a NaN or an infinity.
std::vector<float> crowded(int64_t n) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float values[] = {-2, -1, 0, 1, 2, kNan, -kInfinity, -2};
  std::vector<float> v;
  for (int64_t i = 0; i < n; ++i) v.push_back(values[philox(3, uint64_t(i), 0).v[0] % 8]);
  return v;
}

struct Pooled {
  std::vector<float> y, dx;  // dx: of gradients 1, 2, 3, 4, 1, ..: their sums are exact
  std::vector<uint8_t> from;
  template <class T>
  Pooled(const std::vector<float>& x, T, const PoolShape& s) {
    const size_t count = size_t(s.samples * s.out_height() * s.out_width() * s.channels);
    std::vector<T> in, out(count), dy, back(x.size());
    for (float v : x) in.push_back(T(v));
    from.resize(count);
    run(Cpu(), MaxPoolForward<T>{out.data(), from.data(), in.data(), s});
    for (T v : out) y.push_back(float(v));
    for (size_t i = 0; i < count; ++i) dy.push_back(T(float(1 + i % 4)));
    run(Cpu(), MaxPoolBackward<T>{back.data(), dy.data(), from.data(), s});
    for (T v : back) dx.push_back(float(v));
  }
};

template <class T>
void check_like_plain(const PoolShape& s) {
  INFO("channels ", s.channels, ", ", std::string(sizeof(T) == 2 ? "bf16" : "f32"));
  const std::vector<float> x = crowded(int64_t(s.samples) * s.height * s.width * s.channels);
  set_cpu_class(CpuClass::plain);
  const Pooled plain(x, T(), s);
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    const Pooled ours(x, T(), s);
    CHECK(ours.from == plain.from);
    CHECK(ours.dx == plain.dx);
    for (size_t i = 0; i < plain.y.size(); ++i)
      REQUIRE((ours.y[i] == plain.y[i] || (std::isnan(ours.y[i]) && std::isnan(plain.y[i]))));
  }
}

}  // namespace

TEST_CASE("max pooling: ties go to the first, NaN wins, and gradients go there, on every class") {
  CpuState restore;
  set_cpu_class(CpuClass::plain);
  const PoolShape square{1, 2, 2, 1, 2, 2, 0};
  CHECK(Pooled({1, 3, 3, 2}, float(), square).from[0] == 1);
  CHECK(Pooled({1, kNan, 3, kNan}, float(), square).from[0] == 1);
  CHECK(std::isnan(Pooled({1, kNan, 3, kNan}, float(), square).y[0]));
  for (int channels : {1, 8, 21, 64})
    for (const PoolShape& s : {PoolShape{2, 9, 7, channels, 3, 2, 1},
                               {3, 8, 8, channels, 2, 2, 0},
                               {1, 16, 17, channels, 16, 1, 8}}) {
      check_like_plain<float>(s);
      check_like_plain<bf16>(s);
    }
}
