// One training run from a recipe: data, model, loop, run directory. The `train` command, the demo
// and the few-label curve all come through here.
#pragma once
#include "train/loop.h"

namespace autodidact {

struct RunKeys {
  std::string data = "world", pictures = "", init = "", freeze = "none", dtype = "f32";
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

// Gives `recipe` what it does not set itself of a trained network: its model, how it sees pictures
// and at what size. Returns what was taken: "model = 'resnet18', width = 16".
std::string take_network(Recipe& recipe, const Recipe& from, int side);

struct RunRequest {
  std::string method;
  Recipe recipe;
  std::string out;
  RunDirectory::Existing existing = RunDirectory::Existing::refuse;
  std::string graph_file;
  // Where `train` is set: these pictures, whatever the recipe says of data; its key `pictures` then
  // says in words what they are.
  RunData data = {};
  Device device = Device::cpu;
  Replay replay = Replay::always;
};

struct RunResult {
  LoopResult loop;
  bool was_finished = false;  // before: nothing was done, and loop.last is read from its metrics
  int64_t seed;
  std::string resolved;  // the recipe
};
RunResult train_run(const RunRequest& request, Progress& progress);

struct DryRun {
  std::string data;     // one line about each split, and notes
  std::string refusal;  // why train_run would not begin in the run directory; "": it would
  int64_t training_pictures = 0, test_pictures = 0, classes = 0;
  int64_t parameters = 0, steps = 0;
  size_t peak_bytes = 0;         // of tensors, after a few steps
  double seconds_per_epoch = 0;  // measured on a few steps
  std::string resolved;          // the recipe
  int64_t seed = 1;
};
// What train_run would do; nothing is written but the tape that graph_file asks for.
DryRun dry_run(const RunRequest& request);

// A trained method again, from its checkpoint: the recipe inside says how to build it.
struct LoadedMethod {
  std::unique_ptr<Method> method;
  std::string name;  // of the method
  Recipe recipe;
  RunKeys keys;  // of the recipe
  Checkpoint checkpoint;
  int side = 0;            // of its pictures
  bool untrained = false;  // its weights are initial ones instead of the checkpoint's
  int64_t seed = 1;        // of its initial weights
  int64_t samples = 0;     // of the split that it was trained on; 0: not known
  std::string notes;       // a line for people where positions were interpolated
};
// path: a checkpoint or a run directory. side: of the pictures, where it is to be another than the
// run's: positions are interpolated.
LoadedMethod load_method(const std::string& path, Device device = Device::cpu, int side = 0);
// Another one with the same weights and statistics.
std::unique_ptr<Method> copy_of(const LoadedMethod& loaded);
// The same network as it was before training, or would have been with another seed (-1: the run's).
LoadedMethod load_untrained(const std::string& path, int64_t seed = -1,
                            Device device = Device::cpu);

// The fact `outputs` of a checkpoint: names as a JSON list.
std::string outputs_fact(const std::vector<std::string>& names);

}  // namespace autodidact
