// Views: every class and thread count; each step by itself against what it is defined as; what is
// drawn, and how it is spread. tests/train/test_view_parity.cpp compares with torchvision.
#include "kernels/view.h"
#include <map>
#include <set>
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

std::vector<uint8_t> random_bytes(int64_t n) {
  std::vector<uint8_t> v(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) v[size_t(i)] = uint8_t(philox(9, uint64_t(i), 0).v[0]);
  return v;
}

ViewRanges everything() {
  ViewRanges r;
  r.brightness = r.contrast = r.saturation = 0.8f, r.hue = 0.2f;
  r.grey = 0.2f, r.blur = 0.5f, r.solarize = 0.2f;
  return r;
}

// One view of a picture in double, not normalised.
std::vector<double> rendered(const std::vector<uint8_t>& image, int height, int width,
                             const ViewDraw& d, int size, bool cubic = false, int window = 3) {
  std::vector<double> y(size_t(size) * size_t(size) * 3);
  RenderViews<double> p{};
  p.y = y.data(), p.images = image.data(), p.draws = &d, p.views = 1;
  p.height = height, p.width = width, p.size = size, p.cubic = cubic, p.blur_window = window;
  p.std[0] = p.std[1] = p.std[2] = 1;
  run(Cpu{}, p);
  return y;
}

ViewDraw untouched(int height, int width) {
  ViewDraw d{};
  d.height = height, d.width = width;
  d.brightness = d.contrast = d.saturation = 1;
  for (int i = 0; i < 4; ++i) d.order[i] = ColourOp(i);
  return d;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  return largest_error(a, b);
}

}  // namespace

TEST_CASE("view: every class and thread count") {
  struct Case {
    int height, width, size, window;
    bool cubic;
  };
  for (const Case& c :
       {Case{32, 32, 32, 3, false}, Case{9, 13, 7, 5, true}, Case{5, 4, 24, 9, false},
        Case{70, 51, 16, 1, true}, Case{1, 1, 1, 1, false}}) {
    constexpr int kImages = 3, kViews = 7;
    const auto images = random_bytes(int64_t(kImages) * c.height * c.width * 3);
    std::vector<ViewDraw> draws;
    for (uint32_t v = 0; v < kViews; ++v) {
      draws.push_back(draw_view({5, 7, 1, v, v % 2}, everything(), c.height, c.width));
      draws.back().image = int(v) % kImages;
      // A threshold turns a rounding into a jump of a whole unit.
      draws.back().solarize = false;
    }
    check_kernel("view", [&]<class T>(Buffers<T>& b) {
      RenderViews<T> p{};
      p.y = b.out(int64_t(kViews) * c.size * c.size * 3);
      p.images = b.in_exact(images), p.draws = b.in_exact(draws), p.views = kViews;
      p.height = c.height, p.width = c.width, p.size = c.size, p.cubic = c.cubic;
      p.blur_window = c.window;
      for (int k = 0; k < 3; ++k) p.mean[k] = 0.45f + 0.01f * float(k), p.std[k] = 0.25f;
      run(Cpu{}, p);
    });
  }
}

TEST_CASE("view: the whole picture at its own size is the picture") {
  const auto image = random_bytes(6 * 6 * 3);
  for (bool cubic : {false, true}) {
    const auto y = rendered(image, 6, 6, untouched(6, 6), 6, cubic);
    for (size_t i = 0; i < y.size(); ++i) CHECK(y[i] == doctest::Approx(image[i] / 255.0));
  }
}

TEST_CASE("view: crop, flip, and a picture halved is the mean under a triangle") {
  const auto image = random_bytes(8 * 8 * 3);
  auto at = [&](int r, int c, int k) { return image[size_t((r * 8 + c) * 3 + k)] / 255.0; };
  ViewDraw d = untouched(4, 4);
  d.top = 3, d.left = 2, d.flip = true;
  auto y = rendered(image, 8, 8, d, 4);
  double worst = 0;
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 4; ++c)
      for (int k = 0; k < 3; ++k)
        worst = std::max(worst, std::abs(y[size_t((r * 4 + c) * 3 + k)] - at(3 + r, 2 + 3 - c, k)));
  CHECK(worst < 1e-12);
  // Output 1 of 4 has its centre at 3: inputs 1 to 4 at distance 1.5, 0.5, 0.5, 1.5 of 2.
  y = rendered(image, 8, 8, untouched(8, 8), 4);
  const double w[] = {0.125, 0.375, 0.375, 0.125};
  for (int k = 0; k < 3; ++k) {
    double expected = 0;
    for (int r = 0; r < 4; ++r)
      for (int c = 0; c < 4; ++c) expected += w[r] * w[c] * at(1 + r, 1 + c, k);
    CHECK(y[size_t((1 * 4 + 1) * 3 + k)] == doctest::Approx(expected));
  }
}

TEST_CASE("view: colours change in the drawn order, and only where drawn") {
  const auto image = random_bytes(5 * 5 * 3);
  const auto plain = rendered(image, 5, 5, untouched(5, 5), 5);
  ViewDraw d = untouched(5, 5);
  d.brightness = 1.7f, d.contrast = 0.3f, d.hue = 0.2f;
  CHECK(largest_difference(rendered(image, 5, 5, d, 5), plain) == 0);  // jitter is not drawn
  d.jitter = true;
  const auto first = rendered(image, 5, 5, d, 5);
  std::swap(d.order[0], d.order[1]);
  CHECK(largest_difference(rendered(image, 5, 5, d, 5), first) > 0.01);

  // A third of the circle turns red into green into blue.
  ViewDraw turn = untouched(5, 5);
  turn.jitter = true, turn.hue = 1.0f / 3;
  const auto turned = rendered(image, 5, 5, turn, 5);
  for (size_t i = 0; i < turned.size(); i += 3)
    for (size_t k = 0; k < 3; ++k)
      CHECK(turned[i + (k + 1) % 3] == doctest::Approx(plain[i + k]).epsilon(1e-6));
  turn.hue = -2.0f / 3 + 1;  // the same turn, named otherwise
  CHECK(largest_difference(rendered(image, 5, 5, turn, 5), turned) < 1e-6);

  ViewDraw grey = untouched(5, 5);
  grey.grey = true;
  const auto g = rendered(image, 5, 5, grey, 5);
  for (size_t i = 0; i < g.size(); i += 3) {
    const double expected = 0.299 * plain[i] + 0.587 * plain[i + 1] + 0.114 * plain[i + 2];
    for (size_t k = 0; k < 3; ++k) CHECK(g[i + k] == doctest::Approx(expected));
  }
  ViewDraw sun = untouched(5, 5);
  sun.solarize = true;
  const auto s = rendered(image, 5, 5, sun, 5);
  for (size_t i = 0; i < s.size(); ++i)
    CHECK(s[i] == doctest::Approx(plain[i] >= 0.5 ? 1 - plain[i] : plain[i]));
}

TEST_CASE("view: a blur keeps one colour, and spreads a point as its window says") {
  std::vector<uint8_t> flat(7 * 7 * 3, 51), point(7 * 7 * 3, 0);
  ViewDraw d = untouched(7, 7);
  d.sigma = 0.8f;
  for (double v : rendered(flat, 7, 7, d, 7, false, 5)) CHECK(v == doctest::Approx(0.2));
  point[(3 * 7 + 3) * 3] = 255;
  const auto y = rendered(point, 7, 7, d, 7, false, 5);
  auto weight = [&](int x) { return std::exp(-0.5 * x * x / (double(d.sigma) * double(d.sigma))); };
  double total = 0;
  for (int x = -2; x <= 2; ++x) total += weight(x);
  for (int r = 0; r < 7; ++r)
    for (int c = 0; c < 7; ++c) {
      const bool near = std::abs(r - 3) <= 2 && std::abs(c - 3) <= 2;
      const double expected = near ? weight(r - 3) * weight(c - 3) / (total * total) : 0;
      CHECK(y[size_t((r * 7 + c) * 3)] == doctest::Approx(expected).epsilon(1e-6));
    }
}

TEST_CASE("view: draws are pinned, lie inside, and are spread as torchvision's") {
  constexpr int kDraws = 20000, kHeight = 40, kWidth = 30;
  const ViewRanges r = everything();
  // A recipe's results depend on these numbers: they may not change.
  const ViewDraw pinned = draw_view({1, 7, 2, 3, 1}, r, kHeight, kWidth);
  CHECK(std::vector{pinned.top, pinned.left, pinned.height, pinned.width} ==
        std::vector{10, 2, 21, 26});
  CHECK(pinned.brightness == doctest::Approx(1.68519));
  CHECK(pinned.hue == doctest::Approx(-0.0234175));
  CHECK(pinned.order[0] == ColourOp::hue);
  CHECK(pinned.order[1] == ColourOp::brightness);
  std::map<std::vector<int>, int> orders;
  int flips = 0, jitters = 0, greys = 0, blurs = 0, solarized = 0;
  double area = 0, log_ratio = 0, brightness = 0, hue = 0, sigma = 0, least_area = 1;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const ViewDraw d = draw_view({1, 7, 0, i, 0}, r, kHeight, kWidth);
    REQUIRE((d.top >= 0 && d.left >= 0 && d.height >= 1 && d.width >= 1));
    REQUIRE((d.top + d.height <= kHeight && d.left + d.width <= kWidth));
    area += double(d.height) * d.width / (kHeight * kWidth);
    least_area = std::min(least_area, double(d.height) * d.width / (kHeight * kWidth));
    log_ratio += std::log(double(d.width) / d.height);
    flips += d.flip, jitters += d.jitter, greys += d.grey, blurs += d.sigma > 0;
    solarized += d.solarize;
    brightness += double(d.brightness), hue += double(d.hue);
    REQUIRE((d.brightness >= 0.2f && d.brightness <= 1.8f && std::abs(d.hue) <= 0.2f));
    if (d.sigma > 0) {
      REQUIRE((d.sigma >= 0.1f && d.sigma <= 2));
      sigma += double(d.sigma);
    }
    std::vector<int> order;
    for (ColourOp op : d.order) order.push_back(int(op));
    ++orders[order];
  }
  // 5 standard deviations of a binomial count, and of a mean of uniform numbers.
  auto fair = [](double count, double p) {
    return std::abs(count - kDraws * p) < 5 * std::sqrt(kDraws * p * (1 - p));
  };
  auto centred = [](double sum, double n, double mean, double width) {
    return std::abs(sum / n - mean) < 5 * width / std::sqrt(12 * n);
  };
  CHECK(fair(flips, 0.5));
  CHECK(fair(jitters, 0.8));
  CHECK(fair(greys, 0.2));
  CHECK(fair(blurs, 0.5));
  CHECK(fair(solarized, 0.2));
  CHECK(orders.size() == 24);
  for (auto& [order, count] : orders) CHECK(fair(count, 1.0 / 24));
  CHECK(centred(brightness, kDraws, 1, 1.6));
  CHECK(centred(hue, kDraws, 0, 0.4));
  CHECK(centred(sigma, blurs, 1.05, 1.9));
  // Large crops of a narrow picture are drawn again, so their area has no simple mean: of 100,000
  // draws of torchvision's RandomResizedCrop (tests/parity/contrastive.py) the area has the mean
  // 0.4451 and the deviation 0.2233, the log ratio -0.0317 and 0.1653. Both are means of so many
  // draws: 5 standard deviations of their difference.
  const double apart = 5 * std::sqrt(1.0 / kDraws + 1.0 / 100000);
  CHECK(std::abs(area / kDraws - 0.4451) < apart * 0.2233);
  CHECK(std::abs(log_ratio / kDraws + 0.0317) < apart * 0.1653);
  CHECK(least_area > 0.06);
  // Another epoch, view or sample draws anew.
  const ViewDraw a = draw_view({1, 7, 0, 0, 0}, r, 1000, 1000);
  std::set<std::pair<int, int>> corners = {{a.top, a.left}};
  for (const ViewKey& key : {ViewKey{1, 7, 1, 0, 0}, ViewKey{1, 7, 0, 1, 0}, ViewKey{1, 7, 0, 0, 1},
                             ViewKey{2, 7, 0, 0, 0}}) {
    const ViewDraw d = draw_view(key, r, 1000, 1000);
    corners.emplace(d.top, d.left);
  }
  CHECK(corners.size() == 5);
}

TEST_CASE("view: a picture that no crop fits is cut to a legal ratio in its middle") {
  ViewRanges r;
  r.least_area = r.most_area = 1;  // of 10 x 100 nothing legal covers all
  const ViewDraw d = draw_view({1, 7, 0, 0, 0}, r, 10, 100);
  CHECK(d.height == 10);
  CHECK(d.width == 13);
  CHECK(d.top == 0);
  CHECK(d.left == 43);
}
