// The demo's act of test-time training: a network that has learned kinds and turns of clean
// pictures meets broken ones, and learns from their turns before it answers.
#pragma once
#include "train/pictures/canvas.h"
#include "train/progress.h"
#include "train/run.h"
#include "ttt/adaptation.h"

namespace autodidact {

struct AdaptingAct {
  RunResult trained;
  AdaptRun adapted;  // beside the same network frozen; not run where a signal ended the training
  double accuracy = 0, turns = 0;  // of clean unseen pictures
  int signal = 0;                  // not 0: it came
  Interval change() const;         // of the error in the mean over the corruptions
};

// Pictures of each stream: 400 in three minutes, at most the recipe's test split.
int64_t adapting_samples(double minutes);

// Runs are left in folder/joint and folder/adapted. minutes: about so long on 2 cores.
AdaptingAct adapting_act(const std::string& folder, double minutes, int64_t seed,
                         RunDirectory::Existing existing, Progress& progress);

// The last pictures of each stream as the network saw them, with what it took them for.
ImageGrid broken_pictures(const AdaptingAct& act);
// For the summary: what was done, and a row a corruption.
std::string adapting_text(const AdaptingAct& act);

}  // namespace autodidact
