// The training loop: batches, steps, metrics, evaluation, checkpoints. Everything that depends on
// time or on the terminal stays out of what is computed: the same recipe gives the same bytes for
// any number of threads and any number of interruptions.
#pragma once
#include "engine/graph.h"
#include "engine/optimizer.h"
#include "engine/schedule.h"
#include "train/method.h"
#include "train/progress.h"
#include "train/run_directory.h"

namespace autodidact {

struct LoopKeys {
  int64_t epochs = 10, batch_size = 128;
  std::string optimizer = "sgd", schedule = "cosine";
  double learning_rate = 0.1, momentum = 0.9, beta2 = 0.999, weight_decay = 5e-4,
         decay_factor = 0.1, warmup_epochs = 0, layer_decay = 1;
  bool nesterov = true, decay_scalars = true;
  std::vector<int64_t> milestones;  // epochs
  int64_t log_every = 50;           // steps
  int64_t checkpoint_every = 0;     // steps; 0: at the end of every epoch
  int64_t evaluate_every = 1;       // epochs; the last one always is
  void visit(Keys& k);
  void refuse_contradictions() const;  // ErrorKind::usage: keys that together mean nothing
  OptimizerOptions optimizer_options() const;
  Schedule schedule_of(int64_t steps_per_epoch) const;
};

struct Training {
  Method& method;
  Parameters& parameters;
  Optimizer& optimizer;
  Loader& loader;
  DatasetPtr test;  // may be null
  LoaderOptions test_options;
  RunDirectory& run;
  Progress& progress;
  const Checkpoint* last;                    // what to go on from; null: from the start
  bool encoder_frozen = false;               // it also stays in evaluation mode
  std::map<std::string, std::string> facts;  // for checkpoints: method, recipe, data, outputs
  std::string graph_file;          // not empty: the first step's tape is written there for Graphviz
  Replay replay = Replay::always;  // on a GPU, from the third step on
};

struct LoopResult {
  int64_t steps = 0;                          // done in all, over every resume
  double seconds = 0, images_per_second = 0;  // of this call's training steps
  Metrics last;                               // the last training and test metrics
  int signal = 0;                             // not 0: it came, and a checkpoint is saved
};

// From a checkpoint or from the start to the last epoch. Before a look at the test split there is a
// checkpoint that says it is due: who is stopped in it loses nothing, and looks again when resumed.
// ErrorKind::numerical: a
// loss or a gradient that is not finite; the last checkpoint stays as it is.
LoopResult run_loop(Training& t, const LoopKeys& keys);

}  // namespace autodidact
