// Which pictures of a data set can be read: found by decoding all of them.
#pragma once
#include "train/data/loader.h"
#include "train/progress.h"

namespace autodidact {

// [samples]: why a picture cannot be read, "" where it can.
std::vector<std::string> damages(const Dataset& data);

// The samples that can be read; the others are added to `bad`. ErrorKind::data where they are more
// than cap, a part of all.
DatasetPtr readable_pictures(const DatasetPtr& data, double cap, std::vector<BadFile>& bad);

// The first `count` that can be read, fewer where there are not so many; those before them that
// cannot are added to `bad`. ErrorKind::data where that is more than cap, a part of all.
DatasetPtr first_readable(const DatasetPtr& data, int64_t count, double cap,
                          std::vector<BadFile>& bad);

// Names those that are left out, and counts them.
void warn_left_out(Progress& progress, const std::vector<BadFile>& bad);

}  // namespace autodidact
