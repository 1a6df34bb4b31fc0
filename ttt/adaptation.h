// One `adapt` run: a checkpoint, a list of corruptions, a stream for each, and what came of it in a
// run directory. metrics.jsonl has a line a stream with everything that was measured (who was right
// before and after, picture by picture) and nothing that depends on time: equal runs leave equal
// files, for any number of threads and interruptions. A resumed run goes on with the first stream
// that has no line.
#pragma once
#include "train/metrics.h"
#include "train/progress.h"
#include "train/run.h"
#include "ttt/adapt_keys.h"
#include "ttt/stream.h"

namespace autodidact {

struct AdaptRequest {
  std::string checkpoint;
  Recipe recipe;
  std::string out;
  RunDirectory::Existing existing = RunDirectory::Existing::refuse;
  Device device = Device::cpu;
  // Batches that mode standard adapts to side by side, a network each; 0: one a thread. No result
  // depends on it.
  int64_t side_by_side = 0;
};

struct NamedStream {
  std::string corruption;  // "none": clean pictures
  StreamResult result;
};
struct AdaptRun {
  AdaptKeys keys;
  std::vector<NamedStream> streams;
  std::string protocol;
  std::vector<std::string> pictures;  // paths of what was drawn
  double seconds_per_sample = 0;      // of this call, as what follows
  std::vector<double> batch_seconds;  // of learning and answering, sorted
  int64_t side_by_side = 1;           // batches at a time
  int signal = 0;                     // not 0: it came; finished streams are kept
  std::vector<StreamResult> results() const;
};
// What is told of a stream, to people and in files: errors in percent with the change's interval.
MetricsFile::Line facts_of(const NamedStream& s);
AdaptRun adapt_run(AdaptRequest request, Progress& progress);

}  // namespace autodidact
