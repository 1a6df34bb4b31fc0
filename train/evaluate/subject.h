// Opens what is judged: a network from a checkpoint (or as it was before training) and the two
// splits of a data set.
#pragma once
#include "train/evaluate/features.h"
#include "train/run.h"

namespace autodidact {

struct SubjectRequest {
  std::string checkpoint;  // or a run directory
  bool untrained = false;  // the same network at its initial weights
  int64_t seed = -1;       // of an untrained network's weights; -1: the run's
  double bad_cap = -1;     // damaged pictures, as a part of a split; -1: the run's
  std::string data = "";   // source; "": the run's
  std::string test = "";   // source of the test pictures; "": the test split of `data`
  Device device = Device::cpu;
};

struct OpenedSubject {
  LoadedMethod loaded;
  Subject subject;         // points into loaded
  DatasetPtr train, test;  // square, in memory where they fit
  std::string data;        // the source, as it would be typed
  std::string notes;  // lines for people: an untrained network's statistics, a missing test split
};

// Without a test split, one fifth of the training pictures, chosen by the seed 1, is the test
// split; ErrorKind::data where the network was trained with labels, which may be theirs. Pictures
// without a label are left out. An untrained network with BatchNorm has its statistics estimated on
// the training split.
OpenedSubject open_subject(const SubjectRequest& request);

// The network alone, for embed and predict.
Subject subject_of(LoadedMethod& loaded);

// Gives an untrained network BatchNorm statistics of these pictures, in an order by its seed.
// Returns whether it has any.
bool estimate_statistics(LoadedMethod& loaded, const Subject& subject, const DatasetPtr& pictures);
// The training split of the run's source: what they are taken from where nothing else is trained
// on.
DatasetPtr training_pictures(const LoadedMethod& loaded);

}  // namespace autodidact
