// A training method: what turns a batch into a loss. The loop (loop.h) does the rest: batches,
// steps, checkpoints. A new method is one file with a function that makes it, and one row in
// methods.cpp.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include "engine/optimizer.h"
#include "models/encoder.h"
#include "train/augment.h"
#include "train/data/loader.h"
#include "train/recipe.h"

namespace autodidact {

using Metrics =
    std::vector<std::pair<std::string, double>>;  // names are keys in metrics.jsonl; order is kept

// What a method may know about its data before it is made.
struct DataFacts {
  int side = 0;                      // of the square pictures
  std::vector<std::string> classes;  // empty: no labels
  uint64_t seed = 1;                 // of initial weights and augmentation
  int64_t samples = 0;               // of the training split: rows of a memory bank
  DatasetPtr train = {};             // the training split; null where a checkpoint is judged
  double bad_cap = 0.01;             // damaged pictures that may be left out of what judges
  bool draws = true;                 // initial values; false: they are loaded or copied next
  std::string folder = {};           // a run's, for working memory on a disk; empty: no run

  Rng rng(Stream stream) const { return draws ? Rng(seed, stream) : Rng::none(); }
};

// What a method may hold on to in a run, from before the first step or the resumed one.
struct RunParts {
  Parameters& parameters;
  Optimizer& optimizer;
  int64_t batch_size;
  std::function<void(const std::string&)> say;
};

// A step that a GPU can capture and replay for every batch (engine/graph.h).
class CapturableStep {
 public:
  // Puts a batch where the step reads it: always the same memory, of the weights' device.
  virtual void prepare(const Batch& batch) = 0;
  // Of what prepare put there: scalar, with its tape. Copies nothing to or from the GPU.
  virtual Tensor loss() = 0;
  // Of the last loss or its replay; means over the batch.
  virtual Metrics metrics() const = 0;

 protected:
  ~CapturableStep() = default;
};

class Method {
 public:
  virtual ~Method() = default;
  // Once, after the initial weights are in place and before a checkpoint's are.
  virtual void begin(const RunParts&) {}
  // Scalar, with its tape, or without one where the method has run backward itself; metrics are
  // means over the batch. Draws depend on (seed, batch.epoch, sample) alone.
  virtual Tensor loss(const Batch& batch, Metrics& metrics) = 0;
  // What the progress line shows beside the loss: "queue 512/4096".
  virtual std::string status() const { return ""; }
  // The same in three parts; null where it is not made of them, and every step runs.
  virtual CapturableStep* capturable() { return nullptr; }
  // One pass over untouched pictures with the tape off and layers in evaluation mode (the loop sees
  // to both). `stop` is asked before every batch; empty: it said yes.
  virtual Metrics evaluate(Loader& pictures, const std::function<bool()>& stop) = 0;
  // At the start, and after epochs 1, 2, 4, 8, .. and the last: what a person would look at,
  // written into the folder. The tape is off, as in evaluate. Damaged pictures are left out;
  // evaluate names them.
  virtual void keep_pictures(const DatasetPtr& /*test*/, int64_t /*epoch*/,
                             const std::string& /*folder*/) {}
  // What judging and predicting see.
  virtual Encoder& encoder() = 0;
  Device device() { return encoder().device(); }
  virtual Tensor logits(const Tensor& images) const = 0;  // [N, outputs()], where there are any
  virtual Normalization normalization() const = 0;        // of untouched pictures
  // Everything that a checkpoint holds; what is no part of the network is method.*
  virtual void visit(Visitor& v) = 0;
  // What else a run needs to go on as if it had not stopped: facts of a checkpoint, left out where
  // they are as at the start.
  virtual void store_facts(std::map<std::string, std::string>& /*facts*/) const {}
  virtual void load_facts(const std::map<std::string, std::string>& /*facts*/) {}
  // The modules that are not part of the encoder, by their names.
  virtual std::vector<std::string> heads() const = 0;
  virtual std::vector<std::string> outputs() const = 0;  // what the head's outputs mean; or none
  // Of their probabilities, for people.
  virtual std::string prediction() const { return "class probabilities"; }
  // Of the data: then it is given labelled pictures alone.
  virtual bool uses_labels() const = 0;
};

// Reads the method's keys (its model's among them) from the recipe. ErrorKind::usage: unknown
// method; data: labels needed.
std::unique_ptr<Method> make_method(const std::string& name, Recipe& recipe, const DataFacts& data,
                                    Dtype dtype);
std::vector<std::string> method_names();
void check_method_name(const std::string& name);  // ErrorKind::usage: unknown

// One a method, defined in its file.
std::unique_ptr<Method> make_supervised(Recipe& recipe, const DataFacts& data, Dtype dtype);
std::unique_ptr<Method> make_rotation(Recipe& recipe, const DataFacts& data, Dtype dtype);
std::unique_ptr<Method> make_npid(Recipe& recipe, const DataFacts& data, Dtype dtype);
std::unique_ptr<Method> make_simclr(Recipe& recipe, const DataFacts& data, Dtype dtype);
std::unique_ptr<Method> make_moco(Recipe& recipe, const DataFacts& data, Dtype dtype);
std::unique_ptr<Method> make_ttt(Recipe& recipe, const DataFacts& data, Dtype dtype);
std::unique_ptr<Method> make_mae(Recipe& recipe, const DataFacts& data, Dtype dtype);

}  // namespace autodidact
