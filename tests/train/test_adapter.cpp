// Adapter: what it may change, what it leaves no trace of, and that nothing depends on threads or
// on the pictures before in standard mode.
#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include "engine/arena.h"
#include "kernels/parallel.h"
#include "train/data/dataset.h"
#include "ttt/adapter.h"
#include "ttt/figures.h"
#include "ttt/stream.h"

using namespace autodidact;

namespace {

constexpr int kSide = 16;

std::unique_ptr<Method> small_method(const char* settings = "crop_padding = 2\n") {
  Recipe recipe = Recipe::parse(
      std::string("model = \"resnet26\"\nwidth = 8\ngroups = 4\n") + settings, "test");
  return make_method("ttt", recipe, {kSide, {"a", "b", "c"}, 7}, Dtype::f32);
}
std::vector<uint8_t> pictures(int count) {
  Rng rng(9);
  std::vector<uint8_t> p;
  for (int i = 0; i < count * kSide * kSide * 3; ++i) p.push_back(uint8_t(rng.below(256)));
  return p;
}
constexpr size_t kRow = size_t(kSide) * kSide * 3;

std::string bytes_of(const Tensor& t) {
  return std::string(static_cast<const char*>(t.data()), t.bytes());
}

AdaptOptions options_of(Keep keep, int steps = 2) {
  AdaptOptions o;
  o.keep = keep, o.steps = steps, o.learning_rate = 0.05, o.copies = 8;
  return o;
}

}  // namespace

TEST_CASE("adapter: reset brings back every bit, after standard and after online streams") {
  auto method = small_method();
  const auto images = pictures(12);
  for (Keep keep : {Keep::standard, Keep::online}) {
    Adapter adapter(*method, options_of(keep));
    const std::string before = bytes_of(adapter.parameters().value);
    for (int64_t i = 0; i < 12; ++i) {
      const Observed seen = adapter.observe(&images[size_t(i) * kRow], &i, 1, kSide);
      CHECK((seen.adapted == 1 && !seen.failed));
      CHECK(!adapter.is_at_snapshot());
    }
    adapter.reset();
    CHECK(adapter.is_at_snapshot());
    CHECK(bytes_of(adapter.parameters().value) == before);
  }
}

TEST_CASE("adapter: the control's labels are drawn by picture and know nothing of the turns") {
  auto method = small_method("crop_padding = 0\nflip = false\n");
  const auto images = pictures(1);
  for (bool random : {false, true}) {
    AdaptOptions options = options_of(Keep::standard, 1);
    options.rotation = Rotation::all, options.random_labels = random;
    Adapter adapter(*method, options);
    auto loss = [&](int64_t key) {
      return adapter.observe(images.data(), &key, 1, kSide).first_loss;
    };
    // Nothing else is drawn: by their own labels the copies of one picture are always the same.
    CHECK(loss(1) == loss(1));
    CHECK((loss(1) != loss(2)) == random);
  }
}

TEST_CASE("adapter: in standard mode no picture knows of another, online each does") {
  auto method = small_method();
  const auto images = pictures(4);
  for (Keep keep : {Keep::standard, Keep::online}) {
    Adapter adapter(*method, options_of(keep));
    std::vector<std::string> forwards, backwards(4);
    for (int64_t i = 0; i < 4; ++i) {
      adapter.observe(&images[size_t(i) * kRow], &i, 1, kSide);
      forwards.push_back(bytes_of(adapter.predict(&images[size_t(i) * kRow], 1, kSide)));
    }
    adapter.reset();
    for (int64_t i = 3; i >= 0; --i) {
      adapter.observe(&images[size_t(i) * kRow], &i, 1, kSide);
      backwards[size_t(i)] = bytes_of(adapter.predict(&images[size_t(i) * kRow], 1, kSide));
    }
    CHECK((forwards == backwards) == (keep == Keep::standard));
  }
}

TEST_CASE("adapter: the main branch never changes, and a part learns alone") {
  const auto images = pictures(2);
  const int64_t keys[] = {0, 1};
  for (AdaptedPart part : {AdaptedPart::all, AdaptedPart::shared, AdaptedPart::norms}) {
    auto method = small_method();
    AdaptOptions options = options_of(Keep::online);
    options.part = part;
    Adapter adapter(*method, options);
    std::vector<std::string> before;
    for (auto& s : adapter.parameters().segments()) before.push_back(bytes_of(*s.tensor));
    adapter.observe(images.data(), keys, 2, kSide);
    for (size_t i = 0; i < before.size(); ++i) {
      auto& s = adapter.parameters().segments()[i];
      const bool branch = s.name.rfind("head.", 0) == 0;
      const bool shared = s.name.rfind("conv1", 0) == 0 || s.name.rfind("layer1", 0) == 0 ||
                          s.name.rfind("layer2", 0) == 0;
      const bool learns = part == AdaptedPart::all      ? shared || branch
                          : part == AdaptedPart::shared ? shared
                                                        : shared && s.role == Role::scalar;
      CHECK_MESSAGE((bytes_of(*s.tensor) != before[i]) == learns, s.name);
    }
  }
}

TEST_CASE("adapter: ten steps lower the self-supervised loss of nearly every picture") {
  auto method = small_method();
  AdaptOptions options = options_of(Keep::standard, 10);
  options.copies = 32, options.rotation = Rotation::all;  // the same share of each turn in a step
  Adapter adapter(*method, options);
  const auto images = pictures(10);
  int lower = 0;
  for (int64_t i = 0; i < 10; ++i) {
    const Observed seen = adapter.observe(&images[size_t(i) * kRow], &i, 1, kSide);
    lower += seen.last_loss < seen.first_loss;
  }
  CHECK(lower >= 9);
}

TEST_CASE("adapter: the same bytes with 1, 2 and 3 threads") {
  const int before = thread_count();
  const auto images = pictures(4);
  std::vector<std::string> results;
  for (int threads : {1, 2, 3}) {
    set_thread_count(threads);
    auto method = small_method();
    Adapter adapter(*method, options_of(Keep::online));
    for (int64_t i = 0; i < 4; ++i) adapter.observe(&images[size_t(i) * kRow], &i, 1, kSide);
    results.push_back(bytes_of(adapter.parameters().value));
  }
  set_thread_count(before);
  CHECK((results[0] == results[1] && results[0] == results[2]));
}

TEST_CASE("adapter: memory does not grow after the first picture") {
  auto method = small_method();
  Adapter adapter(*method, options_of(Keep::online));
  const auto images = pictures(6);
  size_t in_use = 0, peak = 0, scratch = 0;
  for (int64_t i = 0; i < 6; ++i) {
    adapter.observe(&images[size_t(i) * kRow], &i, 1, kSide);
    adapter.predict(&images[size_t(i) * kRow], 1, kSide);
    if (i == 0) cpu_arena().reset_peak();
    if (i == 1)
      in_use = cpu_arena().in_use(), peak = cpu_arena().peak(), scratch = scratch_high_water();
  }
  CHECK(cpu_arena().in_use() == in_use);
  CHECK(cpu_arena().peak() == peak);
  CHECK(scratch_high_water() == scratch);
}

TEST_CASE("adapter: a loss that is not finite brings the snapshot back and is told") {
  auto method = small_method();
  AdaptOptions options = options_of(Keep::online, 20);
  options.learning_rate = 1e30;
  Adapter adapter(*method, options);
  const auto images = pictures(1);
  const int64_t key = 0;
  const std::string before = bytes_of(adapter.predict(images.data(), 1, kSide));
  const Observed seen = adapter.observe(images.data(), &key, 1, kSide);
  CHECK(seen.failed);
  CHECK(adapter.is_at_snapshot());
  CHECK(bytes_of(adapter.predict(images.data(), 1, kSide)) == before);
}

TEST_CASE("adapter: a threshold leaves out the pictures that are surely upright") {
  auto method = small_method();
  AdaptOptions options = options_of(Keep::online);
  const auto images = pictures(3);
  const int64_t keys[] = {0, 1, 2};
  for (double threshold : {1.0, 0.0}) {
    options.threshold = threshold;
    Adapter adapter(*method, options);
    CHECK(adapter.observe(images.data(), keys, 3, kSide).adapted == (threshold == 1 ? 3 : 0));
    CHECK(adapter.is_at_snapshot() == (threshold == 0));
  }
}

TEST_CASE("adapter: rails hold what they say") {
  const auto images = pictures(6);
  auto method = small_method();
  Adapter measure(*method, options_of(Keep::online));
  const std::vector<float> start(
      ptr<float>(measure.parameters().value),
      ptr<float>(measure.parameters().value) + measure.parameters().size());
  // How far the weights are from the snapshot after `pictures` of one step each.
  auto moved = [&](const Rails& rails, int pictures, double rate = 0.05) {
    AdaptOptions o = options_of(Keep::online, 1);
    o.rails = rails, o.learning_rate = rate;
    Adapter adapter(*method, o);
    for (int64_t i = 0; i < pictures; ++i) adapter.observe(&images[size_t(i) * kRow], &i, 1, kSide);
    double sum = 0;
    for (size_t i = 0; i < start.size(); ++i)
      sum += std::pow(double(ptr<float>(adapter.parameters().value)[i]) - double(start[i]), 2);
    adapter.reset();
    return std::sqrt(sum);
  };
  const double free = moved({}, 1);
  CHECK(free > 0.001);
  CHECK(moved({.most_norm = 0.01}, 1) == doctest::Approx(0.05 * 0.01).epsilon(0.01));
  CHECK(moved({.most_norm = 1e9}, 1) == free);
  CHECK(moved({.anchor = 1}, 1) == 0);
  CHECK(moved({.anchor = 0.25}, 1) == doctest::Approx(0.75 * free).epsilon(0.001));
  CHECK(moved({.reset_every = 5}, 6) == doctest::Approx(moved({.reset_every = 1}, 6)));
  CHECK(moved({.reset_every = 5}, 5) == moved({}, 5));
  CHECK(moved({.stop_rising = true}, 1) == free);  // a single step has nothing to compare with
}

TEST_CASE("adapter: the alarm rings where the snapshot does better, and only there") {
  const auto images = pictures(8);
  auto method = small_method();
  for (double rate : {0.0, 3.0}) {
    AdaptOptions o = options_of(Keep::online, 1);
    o.learning_rate = rate, o.rails.alarm_window = 2;
    Adapter adapter(*method, o);
    int alarms = 0;
    for (int64_t i = 0; i < 8; ++i)
      alarms += adapter.observe(&images[size_t(i) * kRow], &i, 1, kSide).alarmed;
    CHECK((alarms > 0) == (rate > 0));  // steps far too large against none
    adapter.reset();
  }
}

TEST_CASE("adapter: steps stop where the loss rises") {
  const auto images = pictures(1);
  const int64_t key = 0;
  auto method = small_method();
  AdaptOptions o = options_of(Keep::standard, 30);
  o.learning_rate = 1;
  Adapter free(*method, o);
  const Observed all = free.observe(images.data(), &key, 1, kSide);
  free.reset();
  o.rails.stop_rising = true;
  Adapter railed(*method, o);
  const Observed stopped = railed.observe(images.data(), &key, 1, kSide);
  CHECK(stopped.first_loss == all.first_loss);
  CHECK(stopped.last_loss <= stopped.first_loss);
  CHECK(stopped.last_loss != all.last_loss);
}

// A step of rate h on l_s changes l_m by -h <grad l_m, grad l_s> + O(h^2), which no gradient of
// ours takes part in: the difference is that of two losses.
TEST_CASE("adapter: the gradients' product is how fast a step on one loss lowers the other") {
  auto method = small_method("crop_padding = 0\nflip = false\n");
  const auto images = pictures(1);
  const int64_t key = 0;
  constexpr int kLabel = 1;
  auto main_loss = [&](Adapter& adapter) {
    return -std::log(double(ptr<const float>(adapter.predict(images.data(), 1, kSide))[kLabel]));
  };
  AdaptOptions o = options_of(Keep::standard, 1);
  o.copies = 4, o.rotation = Rotation::all;  // the picture itself in its four turns
  double product = 0;
  auto lowered = [&](double rate) {
    o.learning_rate = rate;
    Adapter adapter(*method, o);
    const double before = main_loss(adapter);
    product = adapter.gradient_product(images.data(), kLabel, kSide);
    CHECK(adapter.is_at_snapshot());
    adapter.observe(images.data(), &key, 1, kSide);
    const double after = main_loss(adapter);
    adapter.reset();
    return before - after;
  };
  // h and 2 h together leave out the term in h^2.
  const double h = 1e-3, once = lowered(h), twice = lowered(2 * h);
  CHECK(std::abs(product) > 1e-3);
  CHECK((2 * once - twice / 2) / h == doctest::Approx(product).epsilon(0.02));
}

TEST_CASE("stream: Pearson's r, by hand") {
  CHECK(correlation({1, 2, 3}, {5, 7, 9}) == doctest::Approx(1));
  CHECK(correlation({1, 2, 3}, {9, 7, 5}) == doctest::Approx(-1));
  // Deviations -1, 0, 1 and -1, 1, 0: 1 / sqrt(2 * 2).
  CHECK(correlation({1, 2, 3}, {0, 2, 1}) == doctest::Approx(0.5));
  CHECK(std::isnan(correlation({1, 2}, {3, 3})));
}

// Three streams of four pictures: gains of 0, 25 and 50 points beside products of 1, 3 and 2.
TEST_CASE("figures: the gradients' correlation, by hand") {
  AdaptRun run;
  for (double product : {1.0, 3.0, 2.0}) {
    NamedStream s{"fog:5", {}};
    s.result.frozen = {true, false, false, false};
    s.result.adapted = {true, !run.streams.empty(), run.streams.size() > 1, false};
    s.result.gradient_product = product;
    CHECK(!gradient_correlation(run));  // of fewer than three
    run.streams.push_back(s);
  }
  const auto c = gradient_correlation(run);
  REQUIRE(c);
  CHECK(c->streams == 3);
  CHECK(c->r == doctest::Approx(0.5));  // deviations -1, 0, 1 and -1, 1, 0
  CHECK(c->text() == "r = 0.50 over 3 streams");
  const Figure figure = gradient_figure(run);
  CHECK(figure.panels[0].lines[0].x == std::vector<double>{1, 3, 2});
  CHECK(figure.panels[0].lines[0].y == std::vector<double>{0, 25, 50});
  const Figure along = stream_figure(run);  // a picture a part
  CHECK(along.panels[0].lines[0].y == std::vector<double>{100, 0, 0, 0});
  CHECK(along.panels[0].lines[1].y[1] == doctest::Approx(200.0 / 3));
  const IntervalPlot errors = error_plot(run);
  CHECK(errors.rows[2].values[0].value == 75);
  CHECK(errors.rows[2].values[1].value == 25);

  AdaptRun lost = run, still = run;  // two ways to have no r
  lost.streams[1].corruption = "snow:5", lost.streams[1].result.gradient_product = std::nan("");
  CHECK(gradient_correlation(lost)->text() ==
        "r over 3 streams is not defined (not finite in snow:5)");
  CHECK(gradient_figure(lost).subtitle == gradient_correlation(lost)->text());
  for (NamedStream& s : still.streams) s.result.adapted = s.result.frozen;
  CHECK(gradient_correlation(still)->text() == "r over 3 streams is not defined (no change)");
}

TEST_CASE("adapter: a network without a branch and senseless options are refused") {
  auto main = small_method("objective = \"main\"\n");
  CHECK_THROWS_WITH_AS(Adapter(*main, {}), doctest::Contains("no self-supervised branch"), Error);
  auto method = small_method();
  auto refused = [&](AdaptOptions o, const char* why) {
    CHECK_THROWS_WITH_AS(Adapter(*method, o), doctest::Contains(why), Error);
  };
  refused({.steps = 0}, "steps must be at least 1");
  refused({.learning_rate = NAN}, "learning rate");
  refused({.copies = 0}, "copies must be at least 1");
  refused({.copies = 6, .rotation = Rotation::all}, "multiple of 4");
  refused({.rotation = Rotation::none}, "must be turned");
}

TEST_CASE("stream: standard mode side by side gives every bit of one by one") {
  constexpr int kCount = 20;
  std::vector<int32_t> labels;
  std::vector<int64_t> keys;
  for (int i = 0; i < kCount; ++i) labels.push_back(i % 3), keys.push_back(100 + i);
  const DatasetPtr stream =
      from_memory({kSide, pictures(kCount), labels, {"a", "b", "c"}}, "a stream");
  const int before = thread_count();
  for (int batch : {1, 3}) {
    std::vector<StreamResult> results;
    for (auto [threads, count] : {std::pair{1, 1}, {1, 2}, {3, 1}, {3, 2}, {3, 3}, {2, 3}}) {
      set_thread_count(threads);
      std::vector<std::unique_ptr<Method>> methods;
      std::vector<std::unique_ptr<Adapter>> adapters;
      std::vector<TestTimeLearner*> learners;
      for (int i = 0; i < count; ++i) {
        methods.push_back(small_method());
        adapters.push_back(std::make_unique<Adapter>(*methods.back(), options_of(Keep::standard)));
        learners.push_back(adapters.back().get());
      }
      results.push_back(run_stream(learners, *stream, keys, kSide, {.batch = batch}));
    }
    set_thread_count(before);
    for (const StreamResult& r : results) {
      CHECK(r.adapted == results[0].adapted);
      CHECK(r.learned_from == kCount);
      // Sums over the batches of what any other bit in any weight would change.
      CHECK(r.first_loss == results[0].first_loss);
      CHECK(r.last_loss == results[0].last_loss);
      CHECK(r.batch_seconds.size() == size_t((kCount + batch - 1) / batch));
    }
  }
}

TEST_CASE("stream: one that is stopped says so, and an error of any learner comes out") {
  std::vector<int32_t> labels(6, 0);
  const DatasetPtr stream = from_memory({kSide, pictures(6), labels, {"a"}}, "a stream");
  struct Refuses : TestTimeLearner {
    Observed observe(const uint8_t*, const int64_t* keys, int, int) override {
      if (*keys == 4) fail(ErrorKind::data, "the fifth");
      return {};
    }
    Tensor predict(const uint8_t*, int count, int) override { return zeros({count, 1}); }
    void reset() override {}
    bool is_at_snapshot() const override { return true; }
  } a, b;
  const std::vector<int64_t> keys = {0, 1, 2, 3, 4, 5};
  int asked = 0;
  const StreamResult r =
      run_stream({&a}, *stream, keys, kSide, {.stop = [&] { return ++asked > 3; }});
  CHECK((r.stopped && r.adapted.empty()));
  CHECK_THROWS_WITH_AS(run_stream({&a, &b}, *stream, keys, kSide, {}), "the fifth", Error);
}

TEST_CASE("stream: differences are paired, and their interval is that of the mean") {
  const std::vector<bool> before = {true, false, false, true}, now = {true, true, true, false};
  CHECK(error_of(before).value == 50);
  CHECK(difference(now, before).value == doctest::Approx(-25));
  // Differences 0 -1 -1 1: variance 11/12 about the mean -1/4.
  CHECK(difference(now, before).half == doctest::Approx(100 * 1.959964 * std::sqrt(11.0 / 12 / 4)));
  StreamResult a, b;
  a.frozen = before, a.adapted = now, b.frozen = before, b.adapted = before;
  CHECK(mean_difference({a, b}).value == doctest::Approx(-12.5));
  const Errors mean = mean_errors({a, b});
  CHECK((mean.frozen == 50 && mean.adapted == doctest::Approx(37.5)));
}
