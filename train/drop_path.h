// Stochastic depth (Huang et al. 2016) as timm's DropPath: in training a sample skips a branch of a
// block at random, and what is kept is divided by the share that is. The rate grows from 0 in the
// first block to the one asked for in the last.
#pragma once
#include <vector>
#include "train/data/loader.h"

namespace autodidact {

// The factors of a batch's branches, 0 or 1 / (1 - rate of the block).   [2 depth, batch * copies]
// copies: inputs made of each picture, one after the other. Draws depend on (seed, epoch, sample,
// copy, block) alone.
std::vector<float> draw_paths(double rate, int depth, uint64_t seed, const Batch& batch,
                              int copies);

}  // namespace autodidact
