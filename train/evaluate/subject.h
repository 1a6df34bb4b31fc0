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
  std::string data;        // source; "": the run's
  std::string test;        // source of the test pictures; "": the test split of `data`
  Device device = Device::cpu;
};

struct OpenedSubject {
  LoadedMethod loaded;
  Subject subject;         // points into loaded
  DatasetPtr train, test;  // square, in memory where they fit
  std::string data;        // the source, as it would be typed
  uint64_t seed = 1;       // of the network
  std::string notes;  // lines for people: an untrained network's statistics, a missing test split
};

// Without a test split, one fifth of the training pictures, chosen by the seed 1, is the test
// split. An untrained network with BatchNorm has its statistics estimated on the training split.
OpenedSubject open_subject(const SubjectRequest& request);

// The network alone, for embed and predict.
Subject subject_of(LoadedMethod& loaded);

}  // namespace autodidact
