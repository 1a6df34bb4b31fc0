// Batches of a data set, in an order that depends on (seed, epoch) alone, made ahead of time by
// worker threads. A batch holds the same bytes for any number of workers, and the loader can start
// at any (epoch, batch). Memory is bounded: at most `ahead` batches exist that were not taken.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>
#include "train/data/dataset.h"

namespace autodidact {

struct BadFile {
  int64_t sample;
  std::string reason;  // names the file
};

struct LoaderOptions {
  static constexpr int kAutomatic = -1;
  int batch = 128;
  int side = 0;  // of the pictures in a batch; 0: the data set's own
  uint64_t seed = 0;
  bool shuffle = true;          // false: in the order of the data set
  bool drop_last = true;        // leave out the last batch of an epoch where it is not full
  bool replace_damaged = true;  // false: left out, so that a batch may hold fewer, even none
  // Workers; 0: the batch is made inside next(). Automatic: none where the pictures lie in memory
  // and are only gathered, otherwise as many as there are compute threads.
  int threads = kAutomatic;
  int ahead = 4;          // batches
  double bad_cap = 0.01;  // damaged pictures, as a part of the data set
  std::function<void(const BadFile&)> found =
      {};  // called by next() for each new one, before the cap
};

struct Batch {
  int64_t epoch = 0, index = 0;  // index within the epoch
  int count = 0, side = 0;
  std::vector<uint8_t> images;   // [count, side, side, 3]
  std::vector<int32_t> labels;   // [count], -1: none
  std::vector<int64_t> samples;  // [count], indices into the data set
};

// A picture that cannot be read is replaced by another one, chosen by (seed, epoch, sample), or
// left out, and listed; more distinct ones than bad_cap allows are ErrorKind::data.
class Loader {
 public:
  Loader(DatasetPtr data, const LoaderOptions& options);
  ~Loader();

  int64_t batches_per_epoch() const;
  int workers() const;
  // The next batch, going on into the next epoch. It is valid until the following call.
  const Batch& next();
  // Continue at this batch of this epoch, as if all before it had been taken.
  void seek(int64_t epoch, int64_t batch);
  // The damaged pictures in the batches taken so far, in order of sample.
  std::vector<BadFile> bad_files() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace autodidact
