// The end of a row of InfoNCE: the sums of all runs over the queue and the positive put together.
// In double, for a loss near zero keeps its digits only if nothing is taken from 1. The CPU and the
// device share it.
#pragma once
#include <limits>
#include "kernels/infonce.h"
#include "kernels/scalar.h"

namespace autodidact {

// One query's sums of each run, `stride` numbers apart.
template <class A>
struct RunSums {
  const A* sum;         // over the run's keys of exp(l - max)
  const A* max;         // of the run's logits; 0 where none is followed
  const int32_t* rank;  // of its logits above l+
  int64_t stride;
  int runs;
};

struct RowEnd {
  double top;    // the largest of l+ and the runs' max
  double all;    // sum of exp(l - top) over negatives and positive
  double share;  // what k lacks in dq: the negatives' part, 1 - p+; 1 where a run has added p+ k
  double loss;
  int32_t rank;
};

template <class A>
HD RowEnd end_of_row(A positive, const RunSums<A>& runs, int keys, float temperature, bool unit,
                     bool k_in_queue) {
  RowEnd e{};
  e.top = double(positive);
  for (int r = 0; r < runs.runs; ++r) e.top = max(double(runs.max[r * runs.stride]), e.top);
  double negatives = 0;  // and the positive, where the queue holds it
  for (int r = 0; r < runs.runs; ++r) {
    negatives += double(runs.sum[r * runs.stride]) * exp(double(runs.max[r * runs.stride]) - e.top);
    e.rank += runs.rank[r * runs.stride];
  }
  e.all = k_in_queue ? negatives : negatives + exp(double(positive) - e.top);
  e.share = k_in_queue ? 1 : negatives / e.all;
  e.loss = k_in_queue || e.top > double(positive) ? log(e.all) + (e.top - double(positive))
                                                  : log1p(negatives);
  if (needs_no_maximum(temperature, unit)) {
    // Length 1 (2 % more for rounded vectors) keeps l+ and the mean exponential within this.
    const double most = 1.02 / double(temperature), mean = log(negatives / keys) + e.top;
    if (!(abs(double(positive)) <= most && abs(mean) <= most))
      e.loss = std::numeric_limits<double>::quiet_NaN();
  }
  return e;
}

// dq = of_key k + sum over runs of of_run (sum over its keys of exp(l - max) key).
HD double of_key(const RowEnd& e, float temperature, int batch) {
  return -e.share / (double(temperature) * batch);
}
HD double of_run(const RowEnd& e, double run_max, float temperature, int batch) {
  return exp(run_max - e.top) / (e.all * double(temperature) * batch);
}

}  // namespace autodidact
