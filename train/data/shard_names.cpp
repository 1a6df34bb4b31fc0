#include "train/data/shard_names.h"
#include <algorithm>
#include <filesystem>
#include "engine/check.h"
#include "train/data/names.h"
#include "train/data/image_folder.h"

namespace autodidact {

namespace fs = std::filesystem;

ShardNames shards_in(const std::string& folder) {
  ShardNames found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    const std::string name = path.filename().string();
    if (name[0] == '.') continue;
    if (path.extension() == ".tar") found.paths.push_back(path.string());
    else if (path.extension() == ".tgz" || path.stem().extension() == ".tar")
      found.compressed.push_back(name);
  }
  if (error)
    fail(ErrorKind::data, printable(folder), ": this folder cannot be read: ", error.message());
  std::sort(found.paths.begin(), found.paths.end());
  std::sort(found.compressed.begin(), found.compressed.end());
  return found;
}

std::string say_compressed(const std::vector<std::string>& names) {
  const std::string first = printable(names[0]);
  if (names.size() == 1) return first + " is compressed: unpack it first";
  return first + " and " + std::to_string(names.size() - 1) +
         " more are compressed: unpack them first";
}

std::vector<std::string> shard_splits(const std::string& folder) {
  std::vector<std::string> splits;
  std::error_code none;
  for (const char* s : {"train", "test", "val"}) {
    const std::string below = folder + "/" + s;
    if (!fs::is_directory(below, none)) continue;
    const ShardNames found = shards_in(below);
    // Compressed ones make a split, too: opening it says so.
    if (!found.paths.empty() || !found.compressed.empty()) splits.push_back(s);
  }
  return splits;
}

}  // namespace autodidact
