// Files that are no picture, each wrong in a way of its own.
#pragma once
#include <vector>
#include "tests/train/image_corpus.h"

namespace autodidact {

struct DamagedFile {
  const char* name;
  Encoded file;
  const char* reason;  // a part of the message that refuses it
};
std::vector<DamagedFile> damaged_files();

}  // namespace autodidact
