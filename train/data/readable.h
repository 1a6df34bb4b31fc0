// Which pictures of a data set can be read: found by decoding all of them.
#pragma once
#include "train/data/loader.h"

namespace autodidact {

// [samples]: why a picture cannot be read, "" where it can.
std::vector<std::string> damages(const Dataset& data);

// The samples that can be read; the others are added to `bad`. ErrorKind::data where they are more
// than cap, a part of all.
DatasetPtr readable_pictures(const DatasetPtr& data, double cap, std::vector<BadFile>& bad);

}  // namespace autodidact
