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
  std::vector<BadFile> bad_files;  // found when the features were gathered here
  std::string protocol;
  const ProbeRow& chosen() const { return rows[best]; }
  std::string table() const;  // one line a block, the chosen one marked
};
// Gathers the features of a few blocks at a time, as memory allows.
Probe linear_probe(const Subject& subject, const DatasetPtr& train, const DatasetPtr& test,
                   const ProbeOptions& options, const Say& say = {});
// Of these blocks of features that are there; standardises them in place, unless there is
// BatchNorm.
Probe linear_probe(SplitFeatures& features, const std::vector<std::string>& blocks, int classes,
                   const ProbeOptions& options);

// Rows of the training part for choosing (10 %, at most 5,000, by seed) and for training.
struct HeldOutRows {
  std::vector<int64_t> kept, held;
};
HeldOutRows held_out_rows(int64_t training_pictures, uint64_t seed);

// By the statistics of the training part; once.
void standardize(SplitFeatures& features, size_t block);

struct KnnResult {
  std::string block;
  int dims = 0;
  double accuracy = 0;  // in [0, 1]
  std::string protocol;
};
// Of raw features: cosine similarity is asked of what the network puts out.
KnnResult knn_probe(const SplitFeatures& features, const std::string& block, int classes,
                    const KnnOptions& options);

// ErrorKind::data where a split has no labels, or the splits' classes differ.
void check_labelled(const DatasetPtr& train, const DatasetPtr& test);

// The accuracy in [0, 1] of `voted` against `labels`.
double accuracy_of(const std::vector<int32_t>& voted, const std::vector<int32_t>& labels);

}  // namespace autodidact
