#include "ttt/stream.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include "kernels/parallel.h"
#include "train/data/shuffle.h"

namespace autodidact {
namespace {

constexpr double kNormal95 = 1.959964;  // standard deviations that hold 95 % of a normal law

Interval mean_of(const std::vector<double>& v) {
  const double n = double(v.size());
  const double mean = std::accumulate(v.begin(), v.end(), 0.0) / n;
  double squares = 0;
  for (double x : v) squares += (x - mean) * (x - mean);
  const double variance = n > 1 ? squares / (n - 1) : 0;
  return {100 * mean, 100 * kNormal95 * std::sqrt(variance / n)};
}

std::vector<double> differences(const std::vector<bool>& now, const std::vector<bool>& before) {
  check(now.size() == before.size() && !now.empty(), "difference: two streams of one length, got ",
        now.size(), " and ", before.size());
  std::vector<double> d;
  for (size_t i = 0; i < now.size(); ++i) d.push_back(double(before[i]) - double(now[i]));
  return d;
}

void add_recognised(std::vector<bool>& right, const Tensor& scores, const Dataset& stream,
                    int64_t first) {
  const int classes = scores.shape[1];
  const float* row = ptr<const float>(scores);
  for (int i = 0; i < scores.shape[0]; ++i, row += classes)
    right.push_back(std::max_element(row, row + classes) - row == stream.label(first + i));
}

const uint8_t* pixels_of(const Dataset& stream, int64_t first) {
  const uint8_t* pixels = stream.pixels(first);
  if (!pixels) stream.image(first);  // says what is wrong with it
  check(pixels, "stream: its pictures must lie in memory");
  return pixels;
}

}  // namespace

std::vector<int64_t> stream_order(const Dataset& data, Arrival arrival, int64_t samples,
                                  uint64_t seed) {
  auto order = permutation(data.size(), seed, Stream::subset, uint32_t(Choice::stream));
  if (samples > data.size())
    fail(ErrorKind::usage, "stream: ", samples, " pictures are wanted, there are ", data.size());
  if (samples > 0) order.resize(size_t(samples));
  if (order.empty()) fail(ErrorKind::data, "stream: there are no pictures");
  if (arrival == Arrival::in_order) std::sort(order.begin(), order.end());
  if (arrival == Arrival::by_label)
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return data.label(a) < data.label(b); });
  return order;
}

std::vector<bool> recognised(const Predict& predict, const Dataset& stream, int side,
                             const std::function<bool()>& stop) {
  constexpr int kBatch = 100;
  std::vector<bool> right;
  for (int64_t first = 0; first < stream.size() && !stop(); first += kBatch) {
    const int count = int(std::min<int64_t>(kBatch, stream.size() - first));
    std::vector<uint8_t> images;
    const size_t row = size_t(side) * size_t(side) * 3;
    for (int i = 0; i < count; ++i) {
      const uint8_t* pixels = pixels_of(stream, first + i);
      images.insert(images.end(), pixels, pixels + row);
    }
    add_recognised(right, predict(images.data(), count, side), stream, first);
  }
  return right;
}

StreamResult run_stream(const std::vector<TestTimeLearner*>& learners, const Dataset& stream,
                        const std::vector<int64_t>& keys, int side, const StreamOptions& options) {
  struct Answered {
    Observed seen;
    std::vector<bool> right;
    double seconds = 0;
  };
  using Clock = std::chrono::steady_clock;
  auto since = [](Clock::time_point t) {
    return std::chrono::duration<double>(Clock::now() - t).count();
  };
  const size_t row = size_t(side) * size_t(side) * 3;
  std::vector<Answered> batches(size_t((stream.size() + options.batch - 1) / options.batch));
  std::atomic<size_t> next{0};
  std::atomic<bool> stopped{false};
  // Whoever is free takes the next batch: that changes who answers, and no answer.
  auto run = [&](TestTimeLearner& learner) {
    std::vector<uint8_t> images(size_t(options.batch) * row);
    for (size_t b; !stopped && (b = next++) < batches.size();) {
      if (options.stop()) {
        stopped = true;
        return;
      }
      const auto begin = Clock::now();
      const int64_t first = int64_t(b) * options.batch;
      const int count = int(std::min<int64_t>(options.batch, stream.size() - first));
      for (int i = 0; i < count; ++i)
        std::copy_n(pixels_of(stream, first + i), row, &images[size_t(i) * row]);
      Answered& a = batches[b];
      a.seen = learner.observe(images.data(), &keys[size_t(first)], count, side);
      add_recognised(a.right, learner.predict(images.data(), count, side), stream, first);
      a.seconds = since(begin);
    }
  };
  const auto begin = Clock::now();
  // One learner alone has all threads for its kernels.
  parallel_for(int64_t(learners.size()), 1, [&](int64_t i, int64_t) { run(*learners[size_t(i)]); });
  StreamResult r;
  int64_t finite = 0;  // batches
  r.seconds = since(begin);
  r.stopped = stopped;
  if (r.stopped) return r;
  for (const Answered& a : batches) {
    r.learned_from += a.seen.adapted, r.failures += a.seen.failed, r.alarms += a.seen.alarmed;
    if (!a.seen.failed)
      r.first_loss += a.seen.first_loss, r.last_loss += a.seen.last_loss, ++finite;
    r.adapted.insert(r.adapted.end(), a.right.begin(), a.right.end());
    r.batch_seconds.push_back(a.seconds);
  }
  r.first_loss /= double(finite), r.last_loss /= double(finite);
  return r;
}

Interval error_of(const std::vector<bool>& right) {
  std::vector<double> wrong;
  for (bool r : right) wrong.push_back(r ? 0 : 1);
  return mean_of(wrong);
}

Interval difference(const std::vector<bool>& now, const std::vector<bool>& before) {
  return mean_of(differences(now, before));
}

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  check(x.size() == y.size() && !x.empty(), "correlation: two rows of one length, got ", x.size(),
        " and ", y.size());
  auto mean = [](const std::vector<double>& v) {
    return std::accumulate(v.begin(), v.end(), 0.0) / double(v.size());
  };
  const double mx = mean(x), my = mean(y);
  double xx = 0, xy = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i)
    xx += (x[i] - mx) * (x[i] - mx), xy += (x[i] - mx) * (y[i] - my),
        yy += (y[i] - my) * (y[i] - my);
  return xy / std::sqrt(xx * yy);
}

Errors mean_errors(const std::vector<StreamResult>& streams) {
  check(!streams.empty(), "mean errors: there are no streams");
  Errors mean;
  for (const StreamResult& s : streams) {
    mean.frozen += error_of(s.frozen).value / double(streams.size());
    mean.adapted += error_of(s.adapted).value / double(streams.size());
  }
  return mean;
}

Interval mean_difference(const std::vector<StreamResult>& streams) {
  check(!streams.empty(), "mean difference: there are no streams");
  std::vector<double> sums(streams[0].adapted.size(), 0);
  for (const StreamResult& s : streams) {
    const auto d = differences(s.adapted, s.frozen);
    check(d.size() == sums.size(), "mean difference: the streams differ in length");
    for (size_t i = 0; i < d.size(); ++i) sums[i] += d[i] / double(streams.size());
  }
  return mean_of(sums);
}

}  // namespace autodidact
