// A data set written for other programs: arrays for numpy, or a folder of PNG files by class.
#pragma once
#include "train/data/dataset.h"

namespace autodidact {

// out: "x.npy" (images [N, S, S, 3] of uint8), "x.npy,y.npy" (and labels [N] of int64), else a
// folder: CLASS/NUMBER.png, or NUMBER.png without labels. side > 0: central squares of this side;
// needed for .npy where the pictures differ in size. Returns what was written.
// ErrorKind::usage where something is there already and overwrite is not set. Overwriting a folder
// removes the pictures that an earlier export wrote there (their names are numbers) and nothing
// else.
std::vector<std::string> export_dataset(const std::string& out, const Dataset& data, int side,
                                        bool overwrite);

}  // namespace autodidact
