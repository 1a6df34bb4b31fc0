// Contrastive methods: what reaches the loss, the key encoder and the queue, the bank; and how the
// health of embeddings is measured.
#include <doctest/doctest.h>
#include <cmath>
#include <filesystem>
#include "kernels/philox.h"
#include "train/contrastive/contrastive.h"
#include "train/contrastive/similarity_figure.h"
#include "tests/train/image_corpus.h"

using namespace autodidact;
namespace fs = std::filesystem;

namespace {

constexpr int kSide = 16, kBatch = 12;

Batch random_batch(int64_t epoch = 0) {
  Batch b;
  b.epoch = epoch, b.count = kBatch, b.side = kSide;
  for (int i = 0; i < kBatch; ++i) b.samples.push_back(40 + 3 * i), b.labels.push_back(-1);
  for (uint64_t i = 0; i < kBatch * kSide * kSide * 3; ++i)
    b.images.push_back(uint8_t(philox(21, i, uint64_t(epoch)).v[0]));
  return b;
}

// A method as a run holds it.
struct Run {
  Recipe recipe;
  std::unique_ptr<Method> method;
  Parameters parameters;
  std::unique_ptr<Optimizer> optimizer;
  std::vector<std::string> said;

  Run(const std::string& name, const std::vector<std::string>& sets) {
    for (auto& s : {"model=resnet18", "width=4", "dim=8", "seed=3"}) recipe.set(s);
    for (auto& s : sets) recipe.set(s);
    method = make_method(name, recipe,
                         {.side = kSide,
                          .classes = {},
                          .seed = 3,
                          .samples = 100,
                          .folder = fs::temp_directory_path()},
                         Dtype::f32);
    parameters = Parameters(*method);
    optimizer = std::make_unique<Optimizer>(parameters, OptimizerOptions{.momentum = 0.5f});
    method->begin({parameters, *optimizer, kBatch,
                   [this](const std::string& message) { said.push_back(message); }});
  }
  Metrics step(const Batch& batch) {
    Metrics metrics;
    backward(method->loss(batch, metrics));
    optimizer->update(0.05);
    return metrics;
  }
  Tensor tensor(const std::string& name) {
    for (auto& t : named_tensors(*method))
      if (t.name == name) return *t.tensor;
    FAIL("no tensor " << name);
    return {};
  }
};

std::vector<double> numbers(const Tensor& t) {
  return {ptr<const float>(t), ptr<const float>(t) + t.size()};
}

double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (int64_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::abs(double(ptr<float>(a)[i]) - double(ptr<float>(b)[i])));
  return worst;
}

// The embeddings of a view of each picture by the weights that the seed gives.
Tensor embeddings(const Batch& batch, const std::vector<ViewOf>& rows, const std::string& head) {
  ContrastiveKeys keys;
  keys.model.encoder.width = 4, keys.dim = 8, keys.head = head;
  Embedder model = make_embedder(keys, {kSide, {}, 3});
  return model(render_views(batch, rows, keys.views.options(3), Dtype::f32));
}

}  // namespace

TEST_CASE("moco: the key encoder follows the closed form") {
  constexpr double m = 0.9;
  Run run("moco", {"key_momentum=0.9", "batch_norm_splits=3", "queue_size=50"});
  std::vector<double> expected = numbers(run.parameters.value);
  const std::vector<double> first = expected;
  CHECK(numbers(run.optimizer->ema) == expected);  // a copy at the start
  for (int step = 0; step < 6; ++step) {
    run.step(random_batch(step));
    const std::vector<double> w = numbers(run.parameters.value);
    // m^n w0 + (1 - m) sum_i m^(n - i) w_i, a step at a time
    for (size_t i = 0; i < w.size(); ++i) expected[i] = m * expected[i] + (1 - m) * w[i];
  }
  const std::vector<double> key = numbers(run.optimizer->ema);
  double worst = 0, moved = 0;
  for (size_t i = 0; i < key.size(); ++i) {
    worst = std::max(worst, std::abs(key[i] - expected[i]));
    moved = std::max(moved, std::abs(key[i] - first[i]));
  }
  CHECK(worst <= 1e-6);
  CHECK(moved > 1e-3);
}

TEST_CASE("moco: keys pass in another order and come back in theirs; the queue fills and says so") {
  // Before the first step both encoders are one, and BatchNorm over the whole batch sees no order.
  for (const char* positives : {"same", "mismatched"}) {
    Run run("moco",
            {"queue_size=30", "batch_norm_splits=1", std::string("positives=") + positives});
    const Batch batch = random_batch();
    std::vector<ViewOf> rows;
    for (int i = 0; i < kBatch; ++i)
      rows.push_back({positives == std::string("same") ? i : (i + 1) % kBatch, 1});
    const Tensor keys = embeddings(batch, rows, "mlp");
    run.step(batch);
    CHECK(largest_difference(view_rows(run.tensor("method.queue"), 0, kBatch), keys) < 1e-5);
    CHECK(run.method->status() == "queue 12/30");
    run.step(batch);
    CHECK(run.said.empty());
    run.step(batch);
    REQUIRE(run.said.size() == 1);
    CHECK(run.said[0].find("the queue is full after step 3: 30 keys") == 0);
    CHECK(run.method->status() == "");
    CHECK(*ptr<int32_t>(run.tensor("method.queue_next")) == 36 % 30);
  }
  // With a split, the company a row is in matters: the order is seen to be another one.
  Run run("moco", {"queue_size=30", "batch_norm_splits=3"});
  const Batch batch = random_batch();
  run.step(batch);
  ContrastiveKeys keys;
  keys.model.encoder.width = 4, keys.dim = 8;
  Embedder model = make_embedder(keys, {kSide, {}, 3});
  set_batch_splits(model, 3);
  const Tensor in_order =
      model(render_views(batch, views_in_order(kBatch, 1), keys.views.options(3), Dtype::f32));
  CHECK(largest_difference(view_rows(run.tensor("method.queue"), 0, kBatch), in_order) > 1e-3);
}

TEST_CASE("moco: symmetric asks both ways and keeps both views' keys") {
  Run one("moco", {"queue_size=60", "batch_norm_splits=1"});
  Run both("moco", {"queue_size=60", "batch_norm_splits=1", "symmetric=true"});
  const Batch batch = random_batch();
  one.step(batch), both.step(batch);
  CHECK(one.method->status() == "queue 12/60");
  CHECK(both.method->status() == "queue 24/60");
}

TEST_CASE("simclr: the loss is that of the two views, and the control pairs other pictures") {
  const Batch batch = random_batch();
  for (const char* positives : {"same", "mismatched"}) {
    Run run("simclr", {"temperature=0.3", std::string("positives=") + positives});
    std::vector<ViewOf> rows = views_in_order(kBatch, 0);
    for (int i = 0; i < kBatch; ++i)
      rows.push_back({positives == std::string("same") ? i : (i + 1) % kBatch, 1});
    const Tensor loss = nt_xent(embeddings(batch, rows, "mlp"), 0.3f);
    CHECK(run.step(batch)[0].second == doctest::Approx(double(*ptr<float>(loss))).epsilon(1e-5));
  }
}

TEST_CASE("simclr: cached gradients are the direct ones, and are refused where they are not") {
  const Batch batch = random_batch();
  // 24 views. GroupNorm knows no batch; split BatchNorm knows the parts, which may hold several.
  const std::vector<std::vector<std::string>> networks = {
      {"model=resnet26", "width=8", "groups=4", "cached_parts=3"},
      {"batch_norm_splits=4", "cached_parts=4"},
      {"batch_norm_splits=4", "cached_parts=2"}};
  for (const auto& network : networks) {
    CAPTURE(network.back());
    Run cached("simclr", network);
    Run direct("simclr", {network.begin(), network.end() - 1});
    Metrics metrics;
    Tensor a = cached.method->loss(batch, metrics), b = direct.method->loss(batch, metrics);
    CHECK(!a.node);
    backward(b);
    CHECK(double(*ptr<float>(a)) == doctest::Approx(double(*ptr<float>(b))).epsilon(1e-5));
    cached.parameters.finish_grad(), direct.parameters.finish_grad();
    double largest = 0;
    for (double g : numbers(direct.parameters.grad)) largest = std::max(largest, std::abs(g));
    CHECK(largest > 0);
    CHECK(largest_difference(cached.parameters.grad, direct.parameters.grad) <= 1e-5 * largest);
    for (auto& t : named_tensors(*cached.method))  // counted once a part
      if (t.name.ends_with("bn1.num_batches_tracked"))
        CHECK(*ptr<int64_t>(*t.tensor) == (network.back() == "cached_parts=4" ? 4 : 2));
  }
  CHECK_THROWS_WITH_AS(Run("simclr", {"cached_parts=4"}),
                       doctest::Contains("cached_parts must divide batch_norm_splits, 1, got 4"),
                       Error);
  CHECK_THROWS_WITH_AS(Run("simclr", {"cached_parts=5"}),
                       doctest::Contains("must divide the 24 views"), Error);
}

TEST_CASE("npid: prototypes of the batch move half of the way, the others stay") {
  Run run("npid", {"bank_momentum=0.5"});
  const Batch batch = random_batch();
  const Tensor before = clone(run.tensor("method.bank"));
  const Tensor v = embeddings(batch, views_in_order(kBatch, 0), "linear");
  run.step(batch);
  const Tensor after = run.tensor("method.bank");
  REQUIRE(after.shape == Shape{100, 8});
  for (int64_t row = 0, of_batch = 0; row < 100; ++row) {
    const float *old = ptr<float>(before) + row * 8, *now = ptr<float>(after) + row * 8;
    const bool moves = of_batch < kBatch && batch.samples[size_t(of_batch)] == row;
    double expected[8], length = 0;
    for (int d = 0; d < 8; ++d) {
      expected[d] = moves ? 0.5 * (old[d] + ptr<float>(v)[of_batch * 8 + d]) : double(old[d]);
      length += expected[d] * expected[d];
    }
    for (int d = 0; d < 8; ++d)
      CHECK(double(now[d]) == doctest::Approx(expected[d] / std::sqrt(length)).epsilon(1e-5));
    of_batch += moves;
  }
}

TEST_CASE("npid: a bank on disk is the bank in memory, and none of the arena's") {
  for (const char* negatives : {"negatives=0", "negatives=20"}) {
    const size_t before = cpu_memory()->in_use();
    Run memory("npid", {negatives, "bank=memory"});
    const size_t with_bank = cpu_memory()->in_use() - before;
    Run disk("npid", {negatives, "bank=disk"});
    CHECK(cpu_memory()->in_use() - before - with_bank <= with_bank - 100 * 8 * sizeof(float));
    for (int step = 0; step < 3; ++step) {
      memory.step(random_batch(step)), disk.step(random_batch(step));
      CHECK(numbers(memory.tensor("method.bank")) == numbers(disk.tensor("method.bank")));
    }
    CHECK(numbers(memory.parameters.value) == numbers(disk.parameters.value));
  }
}

TEST_CASE(
    "views: draws belong to the picture, the view and the epoch, not to the place in a batch") {
  const Batch batch = random_batch();
  ViewOptions options = ViewKeys().options(5);
  const Tensor in_order = render_views(batch, views_in_order(kBatch, 0), options, Dtype::f32);
  const Tensor picked = render_views(batch, {{7, 0}, {2, 0}, {7, 1}}, options, Dtype::f32);
  auto row = [](const Tensor& t, int i) { return view_rows(t, i, i + 1); };
  CHECK(largest_difference(row(picked, 0), row(in_order, 7)) == 0);
  CHECK(largest_difference(row(picked, 1), row(in_order, 2)) == 0);
  CHECK(largest_difference(row(picked, 2), row(in_order, 7)) > 0.01);
  Batch later = batch;
  later.epoch = 1;
  CHECK(largest_difference(render_views(later, {{7, 0}}, options, Dtype::f32), row(in_order, 7)) >
        0.01);
  options.size = 24;
  CHECK(render_views(batch, {{0, 0}}, options, Dtype::f32).shape == Shape{1, 24, 24, 3});
}

TEST_CASE("health: an even spread, one point, and what lies between") {
  // 2 d points +-e_i: each dimension has the variance 1 / d, all singular values are equal.
  constexpr int d = 6;
  Tensor even = zeros({2 * d, d}), point = zeros({5, d}), line = zeros({4, d});
  for (int i = 0; i < d; ++i)
    ptr<float>(even)[i * d + i] = 1, ptr<float>(even)[(d + i) * d + i] = -1;
  for (int i = 0; i < 5; ++i) ptr<float>(point)[i * d + 2] = 1;
  for (int i = 0; i < 4; ++i) ptr<float>(line)[i * d + 1] = i % 2 ? 1 : -1;
  CHECK(relative_std(even) == doctest::Approx(1));
  CHECK(effective_rank(even) == doctest::Approx(d));
  CHECK(relative_std(point) == 0);
  CHECK(effective_rank(point) == 0);
  CHECK(effective_rank(line) == doctest::Approx(1));
  CHECK(uniformity(point) == doctest::Approx(0));
  // Of 66 pairs 6 are opposite (distance^2 4), 60 orthogonal (2).
  CHECK(uniformity(even) ==
        doctest::Approx(std::log((60 * std::exp(-4.0) + 6 * std::exp(-8.0)) / 66)));
  CHECK(alignment(point, point) == 0);
  CHECK(alignment(view_rows(even, 0, d), view_rows(even, d, 2 * d)) == doctest::Approx(4));
  const SimilarityHistogram h =
      similarity_histogram(view_rows(even, 0, d), view_rows(even, d, 2 * d), 4);
  CHECK(h.positive == std::vector<int64_t>{6, 0, 0, 0});
  CHECK(h.negative == std::vector<int64_t>{0, 0, 30, 0});
  CHECK(h.positive_mean == doctest::Approx(-1));
  CHECK(h.negative_mean == doctest::Approx(0));
}

TEST_CASE("health: the eigenvalues behind the effective rank, off the axes") {
  // Two singular values, 3 : 1, turned by 30 degrees: exp of the entropy of (3/4, 1/4).
  const float c = std::sqrt(3.0f) / 2, s = 0.5f;
  Tensor z = tensor_of<float>({4, 2}, {3 * c, 3 * s, -3 * c, -3 * s, -s, c, s, -c});
  const double entropy = -0.75 * std::log(0.75) - 0.25 * std::log(0.25);
  CHECK(effective_rank(z) == doctest::Approx(std::exp(entropy)).epsilon(1e-6));
}

TEST_CASE("health: collapse is said once, after steps in a row") {
  CollapseWatch watch;
  for (int i = 0; i < CollapseWatch::kSteps - 1; ++i) CHECK_FALSE(watch.see(0));
  CHECK_FALSE(watch.see(0.5));
  for (int i = 0; i < CollapseWatch::kSteps - 1; ++i) CHECK_FALSE(watch.see(1e-3));
  CHECK(CollapseWatch(watch.steps()).see(0));  // as a resumed run counts
  CHECK(watch.see(0));
  CHECK_FALSE(watch.see(0));
}

TEST_CASE("similarities: two lines, parts of all pairs, those of one picture on the right") {
  // Two views 60 degrees around each of four axes: positives have the cosine 1/2, negatives 0.
  constexpr int d = 8;
  Tensor a = zeros({4, d}), b = zeros({4, d});
  for (int i = 0; i < 4; ++i) {
    ptr<float>(a)[i * d + i] = 1;
    ptr<float>(b)[i * d + i] = 0.5f, ptr<float>(b)[i * d + 4 + i] = std::sqrt(0.75f);
  }
  const Figure figure = similarity_figure(similarity_histogram(a, b), 7);
  CHECK(figure.title == "How alike views are, epoch 7");
  CHECK(figure.subtitle == "4 test pictures");
  REQUIRE(figure.panels.size() == 1);
  const std::vector<PlotLine>& lines = figure.panels[0].lines;
  REQUIRE(lines.size() == 2);
  double mean[2] = {};
  for (size_t l = 0; l < 2; ++l) {
    double sum = 0;
    REQUIRE(lines[l].x.size() == lines[l].y.size());
    for (size_t i = 0; i < lines[l].x.size(); ++i)
      sum += lines[l].y[i], mean[l] += lines[l].x[i] * lines[l].y[i];
    CHECK(sum == doctest::Approx(1));
  }
  const double half_bin = 1.0 / double(lines[0].x.size());
  CHECK(lines[0].name == "of one picture");
  CHECK(mean[0] == doctest::Approx(0.5 + half_bin));  // 1/2 and 0 begin a bin
  CHECK(mean[1] == doctest::Approx(half_bin));
}

TEST_CASE("similarities.png is of the weights that were evaluated, and of no others") {
  Samples pictures{kSide, random_batch().images, {}, {}};
  const DatasetPtr test = from_memory(std::move(pictures), "random");
  TestFolder f;
  auto kept = [&](Method& method) {
    const std::string path = f.path() + "/similarities.png";
    std::filesystem::remove(path);
    method.keep_pictures(test, 1, f.path());
    return std::filesystem::exists(path);
  };
  Run run("simclr", {});
  CHECK_FALSE(kept(*run.method));
  Loader loader(test, {.batch = 5, .shuffle = false, .drop_last = false});
  {
    Frozen frozen(run.parameters);
    run.method->evaluate(loader, [] { return false; });
  }
  CHECK(kept(*run.method));
  run.step(random_batch());
  CHECK_FALSE(kept(*run.method));
}
