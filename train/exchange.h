// Weights for others, and others' weights: torchvision's files carry weights alone, our checkpoints
// also what they are weights of.
#pragma once
#include <string>
#include "train/recipe.h"

namespace autodidact {

struct Exchanged {
  int64_t tensors = 0, parameters = 0;
  std::string head;  // the modules that an encoder's file leaves out
};

// The weights and running statistics of a checkpoint (or a run) as a file that
// load_state_dict(strict=True) takes: no optimizer state, no facts. encoder: without the head.
Exchanged export_weights(const std::string& out, const std::string& checkpoint, bool encoder);

// A checkpoint at step 0 of `train supervised` with another's weights: everything that takes a
// checkpoint takes it, but there is no run to resume. The recipe says what the weights are of:
// model, image_size, normalization, ... Outputs are named by their number.
// ErrorKind::checkpoint: the tensors are not exactly those of the model and its head.
Exchanged import_weights(const std::string& out, const std::string& weights, Recipe recipe);

}  // namespace autodidact
