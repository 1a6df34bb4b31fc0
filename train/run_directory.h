// RunDirectory: the folder that a run leaves behind.
//   config.toml         the resolved recipe
//   metrics.jsonl       one line a measurement, flushed line by line
//   log.txt             what was said on the terminal
//   environment.json    version, compiler, CPU class, GPU
//   bad_files.txt       damaged pictures and their reasons, where there were any
//   checkpoints/        step-*.safetensors, last
//   pictures/           PNG; .names lists those that were drawn by a run
//   reconstructions/    epoch-*.safetensors, what a masked autoencoder rebuilt
//                       (train/reconstruct.h)
//   similarities.png    how alike views are to a contrastive method (train/contrastive)
//   summary.{txt,json}  of the demo
//   .lock               held (flock) while a process works here; says which
#pragma once
#include <string>
#include "train/checkpoint.h"

namespace autodidact {

// RUN/reconstructions' files, the earliest epoch first.
std::vector<std::string> kept_reconstructions(const std::string& folder);

class RunDirectory {
 public:
  enum class Existing { refuse, resume, overwrite };

  // Creates the folder, or takes an existing one as `existing` says, and locks it until
  // destruction. ErrorKind::usage: another process works in it (named), it exists and neither
  // --resume nor --overwrite was given, there is nothing to resume, or it holds something that is
  // not a run: no lock of ours, and no config.toml beside our environment.json. An old run stays
  // until remove_overwritten(). A folder that was created here and into which nothing was written
  // disappears again.
  RunDirectory(const std::string& path, Existing existing);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  // Why it would refuse, as far as that can be seen without a lock; "": it would not.
  static std::string refusal(const std::string& path, Existing existing);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const;     // PATH/name
  std::string picture(const std::string& name) const;  // PATH/pictures/name; makes the folder
  const CheckpointFolder& checkpoints() const { return checkpoints_; }
  CheckpointFolder& checkpoints() { return checkpoints_; }
  bool resumes() const { return existing_ == Existing::resume; }  // an earlier process was here
  // With --overwrite: removes the files listed above and nothing else. Call it when nothing can be
  // refused any more, and what the new run takes from the old one has been read.
  void remove_overwritten() const;

  void write(const std::string& name, const std::string& text) const;  // durably
  // Version, compiler, build, CPU class, threads, device, as JSON.
  void write_environment() const;

 private:
  std::string path_;
  CheckpointFolder checkpoints_;
  Existing existing_;
  bool created_ = false;
  int lock_ = -1;
};

}  // namespace autodidact
