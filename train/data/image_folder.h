// Image folders: what of them is needed beyond open_image_folder.
#pragma once
#include "train/data/dataset.h"

namespace autodidact {

// Which of train, test and val are sub-folders of this folder.
std::vector<std::string> folder_splits(const std::string& folder);

}  // namespace autodidact
