// The parts of judging that work on matrices: standardisation, the linear probe, nearest neighbours
// and pooling, against closed forms, brute force and conditions of optimality.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <numeric>
#include "engine/random.h"
#include "kernels/parallel.h"
#include "train/evaluate/knn.h"
#include "train/evaluate/linear.h"
#include "train/evaluate/map_pooling.h"
#include "train/evaluate/standardize.h"

using namespace autodidact;

namespace {

Tensor normal_matrix(int rows, int cols, uint64_t seed) {
  Tensor x = empty({rows, cols});
  Rng rng(seed, Stream::evaluate);
  fill_normal(x, 0, 1, rng);
  return x;
}

// Points around `classes` random centres at `spread` standard deviations.
struct Clusters {
  Tensor x;
  std::vector<int32_t> labels;
};
Clusters clusters(int rows, int cols, int classes, float spread, uint64_t seed) {
  Tensor centres = normal_matrix(classes, cols, 100);
  Clusters c{normal_matrix(rows, cols, seed), std::vector<int32_t>(size_t(rows))};
  for (int r = 0; r < rows; ++r) {
    int k = r % classes;
    c.labels[size_t(r)] = k;
    for (int j = 0; j < cols; ++j)
      ptr<float>(c.x)[r * cols + j] =
          ptr<float>(centres)[k * cols + j] + spread * ptr<float>(c.x)[r * cols + j];
  }
  return c;
}

}  // namespace

TEST_CASE("standardised features have mean 0 and variance 1, a constant one becomes 0") {
  const int rows = 3001, cols = 5;
  Tensor x = normal_matrix(rows, cols, 1);
  float* p = ptr<float>(x);
  for (int r = 0; r < rows; ++r) {
    p[r * cols + 1] = 1000 + 3 * p[r * cols + 1];
    p[r * cols + 2] = -7.5f;
  }
  standardize(x, statistics_of(x));
  for (int c = 0; c < cols; ++c) {
    double mean = 0, squares = 0;
    for (int r = 0; r < rows; ++r) mean += p[r * cols + c] / double(rows);
    for (int r = 0; r < rows; ++r) squares += std::pow(p[r * cols + c] - mean, 2) / rows;
    // The mean is rounded to float: one part in 2^24 of 1000 / 3 standard deviations.
    CHECK(std::abs(mean) < 1000.0 / 3 / (1 << 24) + 1e-6);
    if (c == 2) CHECK(squares == 0);
    else CHECK(squares == doctest::Approx(1).epsilon(3e-4));  // 1e-4 mean(var) / var, var >= 1
  }
}

TEST_CASE("a feature that is rarely not constant is not blown up") {
  const int rows = 1000;
  Tensor x = normal_matrix(rows, 2, 2);
  for (int r = 0; r < rows; ++r) ptr<float>(x)[2 * r + 1] = r == 0 ? 1e-3f : 0.0f;
  standardize(x, statistics_of(x));
  CHECK(std::abs(ptr<float>(x)[1]) < 1);  // by its own deviation alone it would be 31
}

TEST_CASE("logistic regression arrives where the gradient of its loss is zero") {
  // Two classes, one binary feature: the optimum is the log odds of each value.
  // x = -1: 30 of class 0, 10 of class 1; x = +1: 20 of class 0, 60 of class 1.
  const int counts[2][2] = {{30, 10}, {20, 60}};
  Tensor x = empty({120, 1});
  std::vector<int32_t> labels;
  for (int v = 0; v < 2; ++v)
    for (int c = 0; c < 2; ++c)
      for (int i = 0; i < counts[v][c]; ++i) {
        ptr<float>(x)[labels.size()] = v ? 1.0f : -1.0f;
        labels.push_back(c);
      }
  LinearOptions options;
  options.rates = {0.5, 0.1};
  options.batch = 120;  // the whole: the only noise is rounding
  options.epochs = 3000;
  LinearClassifiers m = fit_linear(x, labels, 2, options);
  Tensor at = tensor_of<float>({2, 1}, {-1, 1});
  Tensor z = logits_of(m, at);
  for (int rate = 0; rate < 2; ++rate)
    for (int v = 0; v < 2; ++v) {
      const float* row = ptr<float>(z) + v * 4 + rate * 2;
      CHECK(row[1] - row[0] ==
            doctest::Approx(std::log(double(counts[v][1]) / counts[v][0])).epsilon(1e-4));
    }
  // 30 + 60 of 120 lie on the more frequent side.
  CHECK(accuracies(m, x, labels) == std::vector<double>{0.75, 0.75});
}

TEST_CASE("a sweep trains each rate as if it were alone, for any number of threads") {
  Clusters c = clusters(700, 19, 3, 1.5f, 3);
  LinearOptions sweep, alone;
  sweep.rates = {0.3, 0.01, 0.001};
  sweep.epochs = alone.epochs = 3, sweep.least_steps = alone.least_steps = 0;
  LinearClassifiers together = fit_linear(c.x, c.labels, 3, sweep);
  for (int i = 0; i < 3; ++i) {
    alone.rates = {sweep.rates[size_t(i)]};
    LinearClassifiers one = fit_linear(c.x, c.labels, 3, alone);
    double worst = 0, largest = 0;
    for (int j = 0; j < 3 * 19; ++j) {
      worst = std::max(worst, std::abs(double(ptr<float>(one.weight)[j]) -
                                       ptr<float>(together.weight)[i * 3 * 19 + j]));
      largest = std::max(largest, std::abs(double(ptr<float>(one.weight)[j])));
    }
    // The same sums in perhaps another order: 9 steps of sums of 256 rows of float.
    CHECK(worst <= largest * 9 * 256 / double(1 << 24));
  }
  set_thread_count(1);
  LinearClassifiers single = fit_linear(c.x, c.labels, 3, sweep);
  set_thread_count(2);
  CHECK(std::equal(ptr<float>(single.weight), ptr<float>(single.weight) + single.weight.size(),
                   ptr<float>(together.weight)));
}

TEST_CASE("the probe separates separable classes and says no more than chance about noise") {
  Clusters train = clusters(1000, 40, 10, 1, 4), test = clusters(500, 40, 10, 1, 5);
  Standardization s = statistics_of(train.x);
  standardize(train.x, s), standardize(test.x, s);
  LinearClassifiers m = fit_linear(train.x, train.labels, 10, {});
  std::vector<double> right = accuracies(m, test.x, test.labels);
  CHECK(*std::max_element(right.begin(), right.end()) > 0.99);
  Tensor noise = normal_matrix(2000, 40, 6);
  std::vector<int32_t> labels(2000);
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = int32_t(i % 10);
  // 2,000 guesses at one in ten: standard deviation 0.0067
  for (double a : accuracies(m, noise, labels)) CHECK(a == doctest::Approx(0.1).epsilon(0.3));
}

TEST_CASE("a probe with BatchNorm takes features of any scale") {
  Clusters train = clusters(1000, 40, 10, 1, 4), test = clusters(500, 40, 10, 1, 5);
  for (Clusters* c : {&train, &test})  // means of 10, deviations from 0.01 to 1,000
    for (int64_t i = 0; i < c->x.size(); ++i)
      ptr<float>(c->x)[i] = 10 + std::pow(10.0f, float(i % 40 % 6) - 2) * ptr<float>(c->x)[i];
  auto best = [&](const LinearOptions& options) {
    const auto right =
        accuracies(fit_linear(train.x, train.labels, 10, options), test.x, test.labels);
    return *std::max_element(right.begin(), right.end());
  };
  LinearOptions with, without;
  with.batchnorm = true;
  CHECK(best(with) > 0.99);
  CHECK(best(without) < 0.95);
}

TEST_CASE("a probe's one step behind BatchNorm, by hand") {
  // One batch of four: x is 1 5 1 5, of mean 3 and variance 4; normalised it is z = -1 1 -1 1.
  Tensor x = tensor_of<float>({4, 1}, {1, 5, 1, 5});
  LinearOptions options;
  options.rates = {2}, options.epochs = 1, options.least_steps = 1, options.batchnorm = true;
  LinearClassifiers m = fit_linear(x, {0, 1, 0, 0}, 2, options);
  // The labels 0 1 0 0: (1/2)(-1) + (1/2 - 1)(1) + (1/2)(-1) + (1/2)(1) = -1, over 4; a step of 2.
  // Running statistics of one batch: mean 0.3, variance 0.9 + 0.1 (16 / 3).
  const double w = 0.5 / std::sqrt(0.9 + 1.6 / 3 + 1e-6);
  CHECK(ptr<float>(m.weight)[1] == doctest::Approx(w).epsilon(1e-5));
  CHECK(ptr<float>(m.weight)[0] == doctest::Approx(-w).epsilon(1e-5));
  // The bias's own gradient is mean(1/2 - [label = 1]) = 1/4.
  CHECK(ptr<float>(m.bias)[1] == doctest::Approx(-0.5 - 0.3 * w).epsilon(1e-5));
}

TEST_CASE("the probe refuses labels and shapes that do not fit") {
  Tensor x = normal_matrix(4, 3, 7);
  CHECK_THROWS_WITH(
      fit_linear(x, {0, 1, 2}, 3, {}),
      "linear: x must be [rows > 0, cols] with a label a row, got [4, 3] and 3 labels");
  CHECK_THROWS_WITH(fit_linear(x, {0, 1, 3, 0}, 3, {}), "linear: labels must be 0 .. 2, got 3");
}

TEST_CASE("nearest neighbours are those of a sort of all cosines") {
  // More queries than a tile of 256, more bank than a tile of 4,096.
  const int queries = 300, bank = 4500, cols = 17, k = 33;
  Tensor q = normal_matrix(queries, cols, 8), b = normal_matrix(bank, cols, 9);
  Tensor row = view_rows(b, 4400, 4401);
  copy(row, view_rows(b, 5, 6));  // equals, one in each tile
  Neighbors found = nearest_neighbors(q, b, k);
  auto cosine = [&](int i, int j) {
    double dot = 0, qq = 0, bb = 0;
    for (int c = 0; c < cols; ++c) {
      double u = ptr<float>(q)[i * cols + c], v = ptr<float>(b)[j * cols + c];
      dot += u * v, qq += u * u, bb += v * v;
    }
    return dot / std::sqrt(qq * bb);
  };
  for (int i = 0; i < queries; i += 7) {
    std::vector<double> all(bank);
    for (int j = 0; j < bank; ++j) all[size_t(j)] = cosine(i, j);
    std::vector<double> sorted = all;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (int n = 0; n < k; ++n) {
      size_t at = size_t(i * k + n);
      // A float dot product of 17 terms, each rounded once, and two scalings.
      double bound = 20.0 / (1 << 24);
      CHECK(std::abs(found.similarity[at] - all[size_t(found.index[at])]) <= bound);
      CHECK(std::abs(found.similarity[at] - sorted[size_t(n)]) <= bound);
      if (n) {
        bool ordered = found.similarity[at - 1] > found.similarity[at] ||
                       (found.similarity[at - 1] == found.similarity[at] &&
                        found.index[at - 1] < found.index[at]);
        CHECK(ordered);
      }
    }
  }
  set_thread_count(1);
  Neighbors single = nearest_neighbors(q, b, k);
  set_thread_count(2);
  CHECK(single.index == found.index);
  CHECK(single.similarity == found.similarity);
}

TEST_CASE("a row of zeros has similarity 0, not NaN") {
  Neighbors n = nearest_neighbors(zeros({1, 3}), normal_matrix(5, 3, 10), 5);
  CHECK(n.similarity == std::vector<float>(5, 0.0f));
  CHECK(n.index == std::vector<int32_t>{0, 1, 2, 3, 4});
}

TEST_CASE("votes are weighted by exp(similarity / temperature)") {
  Neighbors n{3, {0, 1, 2}, {0.9f, 0.8f, 0.8f}};
  std::vector<int32_t> labels = {1, 0, 0};
  // exp(0.1 / T) against 2: the nearest wins alone below T = 0.1 / log 2 = 0.144.
  CHECK(knn_vote(n, labels, 2, 0.14) == std::vector<int32_t>{1});
  CHECK(knn_vote(n, labels, 2, 0.15) == std::vector<int32_t>{0});
  CHECK(knn_vote(n, labels, 2, 1e-6) == std::vector<int32_t>{1});  // exp(0.9e6) alone is infinite
  CHECK_THROWS_WITH(knn_vote(n, {1, 0, 2}, 2, 0.1), "knn: labels must be 0 .. 1, got 2");
}

TEST_CASE("maps are averaged over the cells of PyTorch's adaptive pooling") {
  Tensor x = empty({2, 5, 5, 1});
  std::iota(ptr<float>(x), ptr<float>(x) + 50, 0.0f);
  std::vector<float> y(18);
  average_to_grid(y.data(), 9, x, 3);
  // adaptive_avg_pool2d(arange(25).view(5, 5), 3): rows 0-1, 1-3, 3-4.
  CHECK(y == std::vector<float>{3, 4.5, 6, 10.5, 12, 13.5, 18, 19.5, 21, 28, 29.5, 31, 35.5, 37,
                                38.5, 43, 44.5, 46});
  CHECK(grid_for({2, 32, 32, 16}, 4, 4096) == 4);
  CHECK(grid_for({2, 4, 4, 512}, 4, 4096) == 2);
  CHECK(grid_for({2, 2, 2, 64}, 4, 4096) == 2);
  CHECK(grid_for({2, 7, 7, 9000}, 4, 4096) == 1);
  CHECK(grid_for({2, 128}, 4, 4096) == 1);
}
