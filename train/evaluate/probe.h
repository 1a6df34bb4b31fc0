// Linear probes of frozen features on a data set: the figure, the table by block and the protocol
// they were measured by. Learning rate and block are chosen on held-out training pictures; the test
// split chooses nothing.
#pragma once
#include <functional>
#include "train/evaluate/features.h"
#include "train/evaluate/knn.h"
#include "train/evaluate/linear.h"

namespace autodidact {

using Say = std::function<void(const std::string&)>;

struct ProbeOptions {
  std::vector<std::string> blocks;  // empty: all
  Pooling pooling;
  LinearOptions linear;
  uint64_t seed = 1;  // of the held-out part and of the order of samples
};

struct ProbeRow {  // one block
  std::string block;
  Shape map;
  int grid = 1, dims = 0;
  double rate = 0;                // chosen
  bool rate_at_edge = false;      // of the rates tried: a wider sweep might find more
  double held_out = 0, test = 0;  // accuracy in [0, 1]
};
struct Probe {
  std::vector<ProbeRow> rows;
  size_t best = 0;  // by held_out
  int64_t trained_on = 0, held_out = 0, tested_on = 0;
  std::vector<BadFile> bad_files;
  std::string protocol;
  const ProbeRow& chosen() const { return rows[best]; }
  std::string table() const;  // one line a block, the chosen one marked
};
Probe linear_probe(const Subject& subject, const DatasetPtr& train, const DatasetPtr& test,
                   const ProbeOptions& options, const Say& say = {});

// 10 % of the training pictures, at most 5,000.
int64_t held_out_count(int64_t training_pictures);

struct KnnResult {
  std::string block;
  int dims = 0;
  double accuracy = 0;  // in [0, 1]
  int64_t bank = 0, tested_on = 0;
  std::vector<BadFile> bad_files;
  std::string protocol;
};
KnnResult knn_probe(const Subject& subject, const DatasetPtr& train, const DatasetPtr& test,
                    const std::string& block, const Pooling& pooling, const KnnOptions& options);

// The accuracy in [0, 1] of `voted` against `labels`.
double accuracy_of(const std::vector<int32_t>& voted, const std::vector<int32_t>& labels);

}  // namespace autodidact
