// What adapts BatchNorm at test time: formulas against textbook ones, what may change, and that
// nothing is left of it.
#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include "kernels/parallel.h"
#include "train/ttt.h"
#include "ttt/batchnorm_adapter.h"

using namespace autodidact;

namespace {

constexpr int kSide = 16;
constexpr size_t kRow = size_t(kSide) * kSide * 3;

std::unique_ptr<Method> network_of(const char* settings = "groups = 0\n") {
  Recipe recipe =
      Recipe::parse(std::string("model = \"resnet26\"\nwidth = 8\n") + settings, "test");
  return make_method("ttt", recipe, {kSide, {"a", "b", "c"}, 7}, Dtype::f32);
}
// Each of another brightness and contrast.
std::vector<uint8_t> pictures(int count) {
  Rng rng(9);
  std::vector<uint8_t> p;
  for (int i = 0; i < count; ++i)
    for (size_t k = 0; k < kRow; ++k)
      p.push_back(uint8_t(20 * i + int(rng.below(uint32_t(40 + 20 * i)))));
  return p;
}
std::string bytes_of(const Tensor& t) {
  return std::string(static_cast<const char*>(t.data()), t.bytes());
}
std::vector<float> numbers(const Tensor& t) {
  return {ptr<const float>(t), ptr<const float>(t) + t.size()};
}
const int64_t kKeys[8] = {0, 1, 2, 3, 4, 5, 6, 7};

Tensor network_input(Method& method, const std::vector<uint8_t>& images, int count) {
  return normalize(images.data(), count, kSide, method.normalization(), Dtype::f32);
}
Tensor named(Method& method, const std::string& name) {
  for (auto& t : named_tensors(method))
    if (t.name == name) return *t.tensor;
  FAIL("no tensor " << name);
  return {};
}

}  // namespace

TEST_CASE("entropy: value and gradient, of certain answers too") {
  const Tensor logits = leaf(tensor_of<float>({3, 3}, {0, 0, 0, 200, -200, 0, 1.5f, -0.5f, 0.25f}));
  const Tensor h = mean_entropy(logits);
  backward(h);
  double mean = 0;
  for (int r = 0; r < 3; ++r) {
    const float* z = ptr<const float>(logits) + 3 * r;
    double sum = 0, entropy = 0, p[3];
    for (int c = 0; c < 3; ++c) sum += std::exp(double(z[c] - z[0]));
    for (int c = 0; c < 3; ++c) {
      p[c] = std::exp(double(z[c] - z[0])) / sum;
      if (p[c] > 0) entropy -= p[c] * std::log(p[c]);
    }
    mean += entropy / 3;
    // dH / dz_c = -p_c (log p_c + H)
    for (int c = 0; c < 3; ++c) {
      const double d = p[c] > 0 ? -p[c] * (std::log(p[c]) + entropy) / 3 : 0;
      CHECK(double(ptr<float>(logits.node->grad)[3 * r + c]) ==
            doctest::Approx(d).epsilon(1e-5).scale(0.01));
    }
  }
  CHECK(double(item<float>(h)) == doctest::Approx(mean).epsilon(1e-6));
}

TEST_CASE("pseudo labels: the largest, where it is large enough") {
  const Tensor p = tensor_of<float>({3, 2}, {0.25f, 0.75f, 0.5f, 0.5f, 1, 0});
  const Tensor sure = sure_answers(p, 0.6), all = sure_answers(p, 0);
  CHECK(std::vector<int32_t>(ptr<int32_t>(sure), ptr<int32_t>(sure) + 3) ==
        std::vector<int32_t>{1, -1, 0});
  CHECK(std::vector<int32_t>(ptr<int32_t>(all), ptr<int32_t>(all) + 3) ==
        std::vector<int32_t>{1, 0, 0});
}

// The first norm sees the same maps before and after: its statistics by hand.
TEST_CASE("statistics: (N old + n new) / (N + n), and online the result is the next old") {
  const auto images = pictures(4);
  for (double prior : {0.0, 4.0, 16.0}) {
    auto method = network_of();
    auto& joint = dynamic_cast<JointTraining&>(*method);
    const Tensor maps = joint.network().encoder->block(0, network_input(*method, images, 4));
    const int channels = maps.shape.back();
    const int64_t rows = maps.size() / channels;
    BatchNormAdapter adapter(*method, {.keep = Keep::online, .prior = prior});
    const Tensor mean = named(*method, "layer1.0.bn1.running_mean"),
                 var = named(*method, "layer1.0.bn1.running_var");
    std::vector<double> old_mean(size_t(channels), 0), old_var(size_t(channels), 1);
    for (int time = 0; time < 2; ++time) {
      CHECK(adapter.observe(images.data(), kKeys, 4, kSide).adapted == 4);
      for (int c = 0; c < channels; ++c) {
        double m = 0, v = 0;
        for (int64_t r = 0; r < rows; ++r)
          m += double(ptr<float>(maps)[r * channels + c]) / double(rows);
        for (int64_t r = 0; r < rows; ++r)
          v += std::pow(double(ptr<float>(maps)[r * channels + c]) - m, 2) / double(rows - 1);
        auto mixed = [&](double& old, double now) {
          return old = (prior * old + 4 * now) / (prior + 4);
        };
        CHECK(double(ptr<float>(mean)[c]) ==
              doctest::Approx(mixed(old_mean[size_t(c)], m)).epsilon(1e-4));
        CHECK(double(ptr<float>(var)[c]) ==
              doctest::Approx(mixed(old_var[size_t(c)], v)).epsilon(1e-4));
      }
    }
  }
}

// In the last norm too, n / (n - 1) apart: the running variance is the unbiased one.
TEST_CASE("statistics: without a prior the network answers as by the batch's statistics") {
  const auto images = pictures(6);
  auto method = network_of();
  BatchNormAdapter adapter(*method, {.prior = 0});
  const auto source = numbers(adapter.predict(images.data(), 6, kSide));
  adapter.observe(images.data(), kKeys, 6, kSide);
  const auto adapted = numbers(adapter.predict(images.data(), 6, kSide));
  adapter.reset();
  set_training(method->encoder(), true);
  const auto batch = numbers(softmax(method->logits(network_input(*method, images, 6))));
  set_training(method->encoder(), false);
  adapter.reset();
  double off = 0, moved = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    off = std::max(off, std::abs(double(adapted[i] - batch[i])));
    moved = std::max(moved, std::abs(double(adapted[i] - source[i])));
  }
  CHECK(moved > 0.05);
  CHECK(off < 0.02 * moved);
}

TEST_CASE("batch norm adapters: only scales and shifts of norms learn, the loss falls") {
  const auto images = pictures(8);
  for (NormObjective objective : {NormObjective::entropy, NormObjective::pseudo_label}) {
    auto method = network_of();
    BatchNormAdapter adapter(*method, {.keep = Keep::online,
                                       .objective = objective,
                                       .steps = 5,
                                       .learning_rate = 0.01,
                                       .confidence = 0});
    std::vector<std::string> before;
    for (auto& t : named_tensors(*method)) before.push_back(bytes_of(*t.tensor));
    const Observed seen = adapter.observe(images.data(), kKeys, 8, kSide);
    CHECK(seen.adapted == 8);
    CHECK(seen.last_loss < seen.first_loss);
    size_t i = 0;
    for (auto& t : named_tensors(*method)) {
      const bool norm = t.name.find("bn") != std::string::npos,
                 branch = t.name.rfind("head.", 0) == 0;
      CHECK_MESSAGE((bytes_of(*t.tensor) != before[i++]) == (norm && !branch), t.name);
    }
    adapter.reset();
    CHECK(adapter.is_at_snapshot());
    i = 0;
    for (auto& t : named_tensors(*method))
      CHECK_MESSAGE(bytes_of(*t.tensor) == before[i++], t.name);
  }
}

TEST_CASE("batch norm adapters: TENT that learns nothing is prediction-time BatchNorm") {
  const auto images = pictures(8);
  auto method = network_of();
  std::vector<std::string> answers;
  for (NormObjective objective : {NormObjective::statistics, NormObjective::entropy}) {
    BatchNormAdapter adapter(*method, {.objective = objective, .prior = 0, .learning_rate = 0});
    adapter.observe(images.data(), kKeys, 8, kSide);
    answers.push_back(bytes_of(adapter.predict(images.data(), 8, kSide)));
    adapter.reset();
  }
  CHECK(answers[0] == answers[1]);
}

TEST_CASE("batch norm adapters: in standard mode no batch knows of another, online each does") {
  const auto images = pictures(4);
  for (NormObjective objective :
       {NormObjective::statistics, NormObjective::entropy, NormObjective::pseudo_label})
    for (Keep keep : {Keep::standard, Keep::online}) {
      auto method = network_of();
      BatchNormAdapter adapter(*method, {.keep = keep,
                                         .objective = objective,
                                         .steps = 2,
                                         .learning_rate = 0.01,
                                         .confidence = 0});
      std::vector<std::string> forwards, backwards(4);
      auto answer = [&](int64_t i) {
        adapter.observe(&images[size_t(i) * kRow], &i, 1, kSide);
        return bytes_of(adapter.predict(&images[size_t(i) * kRow], 1, kSide));
      };
      for (int64_t i = 0; i < 4; ++i) forwards.push_back(answer(i));
      adapter.reset();
      for (int64_t i = 3; i >= 0; --i) backwards[size_t(i)] = answer(i);
      CHECK((forwards == backwards) == (keep == Keep::standard));
    }
}

TEST_CASE("batch norm adapters: the same bytes with 1, 2 and 3 threads") {
  const int before = thread_count();
  const auto images = pictures(8);
  std::vector<std::string> results;
  for (int threads : {1, 2, 3}) {
    set_thread_count(threads);
    auto method = network_of();
    BatchNormAdapter adapter(*method, {.keep = Keep::online, .objective = NormObjective::entropy});
    adapter.observe(images.data(), kKeys, 8, kSide);
    results.push_back(bytes_of(adapter.predict(images.data(), 8, kSide)));
  }
  set_thread_count(before);
  CHECK((results[0] == results[1] && results[0] == results[2]));
}

TEST_CASE(
    "batch norm adapters: unsure answers teach nothing, numbers that are not finite are told") {
  const auto images = pictures(4);
  auto method = network_of();
  {
    BatchNormAdapter adapter(
        *method, {.keep = Keep::online, .objective = NormObjective::pseudo_label, .confidence = 1});
    const std::string weights = bytes_of(named(*method, "layer1.0.bn1.weight"));
    const Observed seen = adapter.observe(images.data(), kKeys, 4, kSide);
    CHECK((seen.adapted == 0 && !seen.failed && !adapter.is_at_snapshot()));
    CHECK(bytes_of(named(*method, "layer1.0.bn1.weight")) == weights);
    adapter.reset();
  }
  BatchNormAdapter adapter(
      *method, {.keep = Keep::online, .objective = NormObjective::entropy, .learning_rate = 1e30});
  const std::string before = bytes_of(adapter.predict(images.data(), 4, kSide));
  CHECK(adapter.observe(images.data(), kKeys, 4, kSide).failed);
  CHECK(adapter.is_at_snapshot());
  CHECK(bytes_of(adapter.predict(images.data(), 4, kSide)) == before);
}

TEST_CASE("batch norm adapters: a network without BatchNorm and senseless options are refused") {
  auto groups = network_of("groups = 4\n");
  CHECK_THROWS_WITH_AS(BatchNormAdapter(*groups, {}), doctest::Contains("no BatchNorm"), Error);
  auto method = network_of();
  auto refused = [&](const BatchNormOptions& o, const char* why) {
    CHECK_THROWS_WITH_AS(BatchNormAdapter(*method, o), doctest::Contains(why), Error);
  };
  refused({.prior = -1}, "the prior must be at least 0");
  refused({.steps = 0}, "steps must be at least 1");
  refused({.learning_rate = NAN}, "learning rate");
  refused({.confidence = 2}, "confidence");
}
