// Image folders and folders of shards: what of them is needed beyond opening them.
#pragma once
#include "train/data/dataset.h"

namespace autodidact {

// Which of train, test and val are sub-folders with pictures of this folder. ErrorKind::data where
// other sub-folders hold pictures too: then they may be splits or classes.
std::vector<std::string> folder_splits(const std::string& folder);
// The same of a folder of shards, whose splits hold .tar files.
std::vector<std::string> shard_splits(const std::string& folder);

}  // namespace autodidact
