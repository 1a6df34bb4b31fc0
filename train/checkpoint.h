// Checkpoints: safetensors files that carry everything a run needs to go on bit for bit, and that
// load elsewhere. The model's tensors have their own (torchvision's, timm's) names; optimizer state
// is `optimizer.<what>.<parameter>`; facts are metadata, `autodidact.<name>`. Random numbers are
// functions of (seed, stream, epoch, sample), so the position is all there is to save of them.
// Every tensor and the header have their XXH3-64 in the metadata: a flipped bit is found before
// anything is used.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>
#include "engine/optimizer.h"
#include "engine/safetensors.h"

namespace autodidact {

struct Checkpoint {
  TensorFile file;
  int64_t step = 0;           // optimizer steps done
  int64_t epoch = 0;          // of the next batch
  int64_t batch = 0;          // the next batch's index in its epoch
  int64_t metrics_lines = 0;  // lines of metrics.jsonl written before it
  // method, recipe (resolved TOML), data (the manifest's hash), outputs, ...: what else readers
  // need. Nothing that changes from run to run (time, host): final checkpoints are compared byte
  // for byte.
  std::map<std::string, std::string> facts;
};

void store_optimizer(TensorFile& file, const Parameters& parameters, Optimizer& optimizer);
void load_optimizer(const TensorFile& file, const Parameters& parameters, Optimizer& optimizer,
                    const std::string& file_name);

// Writes durably and reads the file back before it replaces an old one of that name.
// ErrorKind::numerical: a tensor holds a value that is not finite; ::failure: the disk. Either way
// what was there stays.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);
// Length, header and checksums, with nothing of it in memory; errors as read_checkpoint's.
void verify_checkpoint(const std::string& path);
// Verifies length, header and checksums first. ErrorKind::checkpoint names the damaged tensor.
Checkpoint read_checkpoint(const std::string& path);
// Any safetensors file, for its weights: one of ours is verified as read_checkpoint does.
TensorFile read_weights(const std::string& path);
// What training may start from: one of ours as read_checkpoint, another program's weights without
// facts.
Checkpoint read_start(const std::string& path);
// What the user named: a checkpoint, a run directory or its checkpoints/ (then the last one).
std::string find_checkpoint(const std::string& path);
// Reads what the user named with `read` (read_checkpoint or read_start), once; of a run the newest
// that is undamaged, and says which damaged ones are passed over. path becomes the file's. All of
// them damaged: the newest one's error.
Checkpoint read_sound_checkpoint(std::string& path, Checkpoint (*read)(const std::string&),
                                 const std::function<void(const std::string&)>& say);
// As find_checkpoint, but of a run the newest that is undamaged: says which damaged ones are passed
// over. All of them damaged: the last one, for its reader to refuse.
std::string find_sound_checkpoint(const std::string& path,
                                  const std::function<void(const std::string&)>& say);

// RUN/checkpoints: step-00000100.safetensors, ..., and `last` (a text file with a name). Keeps the
// last two. None is called the best: that would be a choice made on the test split.
class CheckpointFolder {
 public:
  using Say = std::function<void(const std::string&)>;
  explicit CheckpointFolder(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  std::string save(const Checkpoint& checkpoint);  // returns the file's path
  // The newest that is undamaged; says which damaged ones it passed over. Empty if there is none
  // at all; ErrorKind::checkpoint if all are damaged.
  std::optional<Checkpoint> load_last(const Say& say) const;
  std::vector<std::string> names() const;  // step-*.safetensors, oldest first

 private:
  void prune() const;
  std::string path_;
};

// XXH3-64 as 16 hexadecimal digits.
std::string xxh3(const void* data, size_t bytes);

}  // namespace autodidact
