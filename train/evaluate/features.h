// Frozen features: an encoder run over a data set once, its blocks' outputs gathered as matrices.
#pragma once
#include <string>
#include <vector>
#include "models/encoder.h"
#include "train/augment.h"
#include "train/data/loader.h"

namespace autodidact {

// What is judged, and how it sees pictures. The encoder is in evaluation mode and records no tape.
struct Subject {
  std::string what;  // for people: "rotation, step 2340 of runs/a", "untrained resnet26"
  const Encoder* encoder = nullptr;
  Normalization normalization;
  int side = 0;    // of the pictures it takes
  Device device;   // of its weights
  double bad_cap;  // damaged pictures that are left out, as a part of a data set
};

// The name of the encoder's pooled output, which heads are put on, beside those of its blocks.
inline constexpr const char* kPooled = "features";

struct Pooling {
  int most_grid = 4;     // 1: averaged over the whole map
  int most_dims = 4096;  // a block's grid is the largest with no more numbers than this
};

struct BlockFeatures {
  std::string block;
  Shape map;     // of one picture: [H, W, C]
  int grid = 1;  // averaged to [grid, grid, C]
  Tensor x;      // f32 [samples, grid * grid * C]
  bool standardized = false;
};
struct Features {
  std::vector<BlockFeatures> blocks;  // as they were asked for
  std::vector<int32_t> labels;        // [samples]
  std::vector<int64_t> samples;       // [samples], indices into the data
  std::vector<BadFile> bad_files;     // they have no row
};

// blocks: names of the encoder's blocks, or kPooled. ErrorKind::usage: an unknown one.
Features features_of(const Subject& subject, const DatasetPtr& data,
                     const std::vector<std::string>& blocks, const Pooling& pooling);

// The pictures that the rows are of: `data`, without the damaged ones where there are such.
DatasetPtr pictures_of(const Features& features, const DatasetPtr& data);

// Of both splits.
struct SplitFeatures {
  Features train, test;
  size_t find(const std::string& block) const;  // its place in train.blocks and test.blocks
};
SplitFeatures features_of(const Subject& subject, const DatasetPtr& train, const DatasetPtr& test,
                          const std::vector<std::string>& blocks, const Pooling& pooling);

// The blocks in groups whose features of `samples` pictures take at most 1 GiB together, or one
// each.
std::vector<std::vector<std::string>> groups_in_memory(const Subject& subject, int64_t samples,
                                                       const std::vector<std::string>& blocks,
                                                       const Pooling& pooling);

// BatchNorm's running statistics as a new network should have them: 64 batches of 128 pictures run
// in training mode. The momentum of 0.1 leaves 0.9^64 = 0.1 % of the initial values. A network
// without running statistics is left alone; returns whether it has any. Leaves evaluation mode on.
// encoder: that of the subject, which it changes.
bool estimate_batch_statistics(Encoder& encoder, const Subject& subject, const DatasetPtr& train,
                               uint64_t seed);

}  // namespace autodidact
