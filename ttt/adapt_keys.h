// What an `adapt` run can be told: by which method a network is adapted to which stream. One table
// of methods says what is made of it.
#pragma once
#include <memory>
#include "train/recipe.h"
#include "ttt/adapter.h"
#include "ttt/batchnorm_adapter.h"

namespace autodidact {

struct AdaptKeys {
  std::string data = "", corruption = "none", frost = "", method = "ttt", mode = "online",
              rotations = "random", turn_labels = "own", part = "all", order = "shuffled",
              weights = "";
  bool gradual = false, in_turn = false, gradients = false;
  int64_t steps = 1, copies = 32, batch = 1, samples = 0, seed = 1;
  double learning_rate = 0.001, threshold = 1, prior = 16, confidence = 0.9;
  double most_norm = 0, anchor = 0;
  bool stop_rising = false;
  int64_t reset_every = 0, alarm_window = 0;

  void visit(Keys& k);
  // ErrorKind::usage: `given` sets a key that does nothing here, and must not be taken for one that
  // does.
  void refuse_idle(const Recipe& given) const;
  std::unique_ptr<TestTimeLearner> learner(Method& network) const;  // of a mode that is not none
  std::string protocol() const;                                     // what it does, for people
};

}  // namespace autodidact
