// One training run from a recipe: data, model, loop, run directory. The `train` command, the demo
// and the few-label curve all come through here.
#pragma once
#include "train/loop.h"

namespace autodidact {

struct RunKeys {
  std::string data = "world", init = "", freeze = "none", dtype = "f32";
  double bad_cap = 0.01;
  int64_t image_size = 0, labels_per_class = 0, train_size = 0, test_size = 0, seed = 1;
  void visit(Keys& k);
};

// The training and the test split of a source, as a run sees them: square pictures of one size, in
// memory where they fit.
struct RunData {
  DatasetPtr train, test;  // test is null where the source has none
  int side = 0;
  std::string notes;  // lines for people: what is tested on, what was left out
};
RunData open_run_data(const RunKeys& keys);

struct RunRequest {
  std::string method;
  Recipe recipe;
  std::string out;
  RunDirectory::Existing existing = RunDirectory::Existing::refuse;
  std::string graph_file;
  RunData data = {};  // where `train` is set: these pictures, whatever the recipe says of data
};

struct RunResult {
  LoopResult loop;
  int64_t seed;
  std::string resolved;  // the recipe
};
RunResult train_run(const RunRequest& request, Progress& progress);

struct DryRun {
  std::string data;  // one line about each split, and notes
  int64_t parameters = 0, steps = 0;
  size_t peak_bytes = 0;         // of tensors, after a few steps
  double seconds_per_epoch = 0;  // measured on a few steps
  std::string resolved;          // the recipe
  int64_t seed = 1;
};
// What train_run would do; nothing is written.
DryRun dry_run(const RunRequest& request);

// A trained method again, from its checkpoint: the recipe inside says how to build it.
struct LoadedMethod {
  std::unique_ptr<Method> method;
  std::string name;  // of the method
  Recipe recipe;
  Checkpoint checkpoint;
  int side = 0;  // of its pictures
  int64_t seed = 1;
  std::string notes;  // a line for people where positions were interpolated
};
// path: a checkpoint or a run directory. untrained: the weights the run began with instead of the
// checkpoint's. side: of the pictures, where it is to be another than the run's: positions are
// interpolated.
LoadedMethod load_method(const std::string& path, bool untrained = false, int side = 0);
// What the recipe inside a checkpoint says of the run.
RunKeys run_keys(const LoadedMethod& loaded);

// The fact `outputs` of a checkpoint: names as a JSON list.
std::string outputs_fact(const std::vector<std::string>& names);

}  // namespace autodidact
