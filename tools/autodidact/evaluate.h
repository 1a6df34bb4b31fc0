// What the evaluate command's subcommands share.
#pragma once
#include <memory>
#include "tools/autodidact/command.h"
#include "train/evaluate/few_labels.h"
#include "train/evaluate/subject.h"

namespace autodidact {

struct EvaluateOptions {
  SubjectRequest subject;
  std::string block;
  Pooling pooling;
  LinearOptions linear;
  KnnOptions knn;
  std::string picture;
  LabelledSetOptions sets;
  FinetuneOptions finetune;
  bool overwrite = false;
  int64_t split_seed = 1;
};
using EvaluateOptionsPtr = std::shared_ptr<EvaluateOptions>;

// Opens what a command judges and says how it goes.
struct Judging {
  Progress progress;
  OpenedSubject opened;

  Judging(const Common& common, SubjectRequest request);
  Say say() {
    return [this](const std::string& line) { progress.say(line); };
  }
  void mention(const std::vector<BadFile>& bad_files);
  void mention(const SplitFeatures& f);
  int classes() const { return int(opened.train->classes().size()); }
  // The keys that every command's object has.
  nlohmann::ordered_json facts(const std::string& what, const std::string& protocol) const;
};

// The pictures and the network that are judged.
CLI::App* add_judging(CLI::App& evaluate, const char* name, const char* what,
                      const EvaluateOptionsPtr& o, Common& common);
// Frozen features: which, and of what weights.
void add_feature_options(CLI::App& command, const EvaluateOptionsPtr& o);
void add_linear_options(CLI::App& command, const EvaluateOptionsPtr& o);
void add_label_options(CLI::App& command, const EvaluateOptionsPtr& o);

// One a file: evaluate_<name>.cpp.
void add_linear(CLI::App& evaluate, Common& common);
void add_knn(CLI::App& evaluate, Common& common);
void add_few_labels(CLI::App& evaluate, Common& common);
void add_finetune(CLI::App& evaluate, Common& common);

}  // namespace autodidact
