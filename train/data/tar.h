// Tar archives, read strictly: where the content of each file in one lies. ustar, with the long
// names of GNU and of POSIX (pax).
#pragma once
#include <functional>
#include <string>
#include "train/data/bytes.h"

namespace autodidact {

struct TarFile {
  std::string name;
  int64_t offset, size;  // of its content in the archive, bytes
};

// Calls `found` with every regular file, in their order in the archive. ErrorKind::data, "PATH:
// reason", for damage and for an archive that is cut short, also between two files: its end mark, a
// block of zeros, is missing then. tar writes two; one is enough, and all behind it must be zeros.
void each_file_in_tar(const FileParts& archive, const std::function<void(const TarFile&)>& found);

}  // namespace autodidact
