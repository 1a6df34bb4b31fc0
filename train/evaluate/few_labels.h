// The few-label curve: what a representation is worth when only a few pictures of each class have a
// label. Linear probes of frozen features, fine-tuning of the whole network, and the same network
// from scratch, on the same labelled pictures.
#pragma once
#include "train/evaluate/probe.h"
#include "train/progress.h"
#include "train/run.h"

namespace autodidact {

struct FewLabelPoint {
  int64_t per_class = 0;
  double accuracy = 0;  // on the test split, in [0, 1]; the mean over the draws
  double spread = 0;    // their standard deviation; 0 for one draw
};

struct FewLabelProbeOptions {
  std::vector<int64_t> per_class = {1, 5, 20, 100};
  int draws = 5;  // of labelled pictures, seeds seed .. seed + draws - 1
  std::string block;
  LinearOptions linear;
  uint64_t seed = 1;
};
struct FewLabelProbe {
  std::vector<FewLabelPoint> points;  // counts that a class cannot give are left out
  std::string protocol;
};
// Features are standardised by all training pictures, whose labels that does not need. The rate is
// chosen for each number of labels by the mean over the draws on held-out training pictures.
FewLabelProbe few_label_probe(SplitFeatures& features, int classes,
                              const FewLabelProbeOptions& options);

// Supervised training from a checkpoint's encoder, or of the same network from scratch.
struct FinetuneOptions {
  std::vector<int64_t> per_class = {1, 5, 20, 100};
  bool from_scratch = false;
  int64_t images = 20000;  // seen in each training run, whatever the number of labels
  int64_t batch = 64;
  double learning_rate = 0.05;
  uint64_t seed = 1;
  std::string out;  // folder: one run directory a point
};
struct Finetune {
  std::vector<FewLabelPoint> points;
  std::string protocol;
};
Finetune finetune(const LoadedMethod& pretrained, const std::string& checkpoint,
                  const std::string& data, const FinetuneOptions& options, const Say& say = {});

}  // namespace autodidact
