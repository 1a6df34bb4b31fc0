// A stream of pictures through a frozen network and through an adapting one: who was right when,
// and by how much the errors differ.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>
#include "train/data/dataset.h"
#include "ttt/test_time_learner.h"

namespace autodidact {

enum class Arrival { shuffled, in_order, by_label };

// The places in a data set of the pictures of a stream, in their order: `samples` of them (0: all)
// chosen by the seed.
std::vector<int64_t> stream_order(const Dataset& data, Arrival arrival, int64_t samples,
                                  uint64_t seed);

struct StreamResult {
  std::vector<bool> frozen, adapted;     // was picture i of the stream recognised?
  int64_t learned_from = 0;              // pictures; the others were confident enough
  int64_t failures = 0;                  // batches whose loss was not finite
  int64_t alarms = 0;                    // of Rails::alarm_window
  double first_loss = 0, last_loss = 0;  // self-supervised, means of finite ones
  // The mean of Adapter::gradient_product, before anything was learned, where that was measured.
  std::optional<double> gradient_product = {};
  double seconds = 0;                 // from the first batch to the last
  std::vector<double> batch_seconds;  // of observing and answering, a batch
  bool stopped = false;
};

struct StreamOptions {
  int batch = 1;  // pictures that arrive at a time
  std::function<bool()> stop = [] { return false; };
};

// images: u8 [count, side, side, 3] -> [count, classes], the largest is the answer.
using Predict = std::function<Tensor(const uint8_t* images, int count, int side)>;
// Whose pictures are recognised, without learning. stream: square pictures of this side, in memory.
std::vector<bool> recognised(const Predict& predict, const Dataset& stream, int side,
                             const std::function<bool()>& stop);
// keys: as of TestTimeLearner::observe, one a picture. Fills all but `frozen`. Several learners
// adapt to batches side by side, each on one thread: then each must begin every batch from the same
// snapshot (Keep::standard), and the result is that of one of them.
StreamResult run_stream(const std::vector<TestTimeLearner*>& learners, const Dataset& stream,
                        const std::vector<int64_t>& keys, int side, const StreamOptions& options);

// Errors in percent with 95 % intervals: of a part p of n its normal approximation, and of the
// difference that of the paired differences' mean.
struct Interval {
  double value = 0, half = 0;
};
Interval error_of(const std::vector<bool>& right);
Interval difference(const std::vector<bool>& now, const std::vector<bool>& before);
// Pearson's r. NaN where one of them does not vary.
double correlation(const std::vector<double>& x, const std::vector<double>& y);
// Means over several streams: of their errors, in percent, and, for streams of the same pictures,
// of the difference, paired by picture.
struct Errors {
  double frozen = 0, adapted = 0;
};
Errors mean_errors(const std::vector<StreamResult>& streams);
Interval mean_difference(const std::vector<StreamResult>& streams);

}  // namespace autodidact
