// The few-label curve: what a representation is worth when only a few pictures of each class have a
// label. Linear probes of frozen features, fine-tuning of the whole network, and the same network
// from scratch. The labelled pictures are chosen once (labelled_sets) and given to all of them; the
// held-out ones are trained on by none.
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

std::vector<int32_t> labels_of(const Dataset& data);

struct LabelledSetOptions {
  std::vector<int64_t> per_class = {1, 5, 20, 100};
  int draws = 5;      // of labelled pictures, seeds seed .. seed + draws - 1
  uint64_t seed = 1;  // also of the held-out pictures
};
struct LabelledSets {
  struct Count {
    int64_t per_class = 0;
    std::vector<std::vector<int64_t>> draws;  // rows of the training features, none of them held
  };
  std::vector<Count> counts;  // as they were asked for
  std::vector<int64_t> held;  // rows on which the probe's rate is chosen
  int64_t rows = 0;           // of the training features, in all
  uint64_t seed = 1;          // of the first draw
};
// labels: of the training features, indices into classes, or -1. ErrorKind::usage: a class has
// fewer pictures beside the held-out ones than are asked for.
LabelledSets labelled_sets(const std::vector<int32_t>& labels,
                           const std::vector<std::string>& classes,
                           const LabelledSetOptions& options);

struct FewLabelProbeOptions {
  std::string block;
  LinearOptions linear;
};
struct FewLabelProbe {
  std::vector<FewLabelPoint> points;  // one a count
  std::string protocol;
};
// Features are standardised by all training pictures, whose labels that does not need. The rate is
// chosen for each number of labels by the mean over the draws on held-out training pictures.
FewLabelProbe few_label_probe(SplitFeatures& features, int classes, const LabelledSets& sets,
                              const FewLabelProbeOptions& options);

// What fine-tuning trains on and is tested on: the pictures that the features were of.
struct FinetuneData {
  std::string source;  // as it is typed
  DatasetPtr train;    // pictures_of the training features: its samples are the rows of the sets
  DatasetPtr test;
};
// Supervised training from a checkpoint's encoder, or of the same network from scratch, on the
// first draw of each count. Pictures have the size that the checkpoint was trained at.
struct FinetuneOptions {
  bool from_scratch = false;
  int64_t images = 20000;  // seen in each training run, whatever the number of labels
  int64_t batch = 64;
  double learning_rate = 0;      // 0: what the network's kind is trained with
  uint64_t seed = 1;             // of the order, the augmentation and what starts at random
  std::vector<std::string> set;  // "key=value" of the training runs' recipes, over our own
  std::string out;               // folder: one run directory a point
  RunDirectory::Existing existing = RunDirectory::Existing::refuse;  // of each of them
};
struct Finetune {
  std::vector<FewLabelPoint> points;
  std::string protocol;
  int signal = 0;  // not 0: stopped by it, and the point it came in is not there
};
// ErrorKind::data: no labels, or nothing to test on.
Finetune finetune(const LoadedMethod& pretrained, const std::string& checkpoint,
                  const LabelledSets& sets, const FinetuneData& data,
                  const FinetuneOptions& options, const Say& say = {});

}  // namespace autodidact
