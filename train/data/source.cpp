// SRC, as a user types it, to a data set.
#include <algorithm>
#include <filesystem>
#include <string_view>
#include "engine/check.h"
#include "train/data/dataset.h"
#include "train/data/image_folder.h"
#include "train/data/names.h"

namespace autodidact {
namespace {

namespace fs = std::filesystem;

struct Source {
  enum class Kind { world, cifar10, shards, npy, folder } kind;
  std::string path, labels, split;  // labels: of npy; split: "" where SRC names none
};

bool ends(std::string_view s, std::string_view tail) {
  return s.size() >= tail.size() && s.substr(s.size() - tail.size()) == tail;
}

// Takes ":train", ":test" or ":val" off the end of path.
std::string take_split(std::string& path) {
  for (const char* split : {"train", "test", "val"}) {
    std::string tail = std::string(":") + split;
    if (!ends(path, tail)) continue;
    path.resize(path.size() - tail.size());
    return split;
  }
  return "";
}

Source parse(const std::string& source) {
  Source s{Source::Kind::folder, source, "", ""};
  if (source.empty())
    fail(ErrorKind::data,
         "data source: is empty; give world, cifar10:DIR, shards:DIR, shards:PATTERN, a folder of ",
         "images or x.npy");
  if (source == "world" || source.rfind("world:", 0) == 0) {
    s.kind = Source::Kind::world;
    if (source.size() > 5) s.split = source.substr(6);
    return s;
  }
  if (source.rfind("cifar10:", 0) == 0) {
    s.kind = Source::Kind::cifar10;
    s.path = source.substr(8);
    s.split = take_split(s.path);
    return s;
  }
  std::error_code none;
  if (source.rfind("shards:", 0) == 0) {
    s.kind = Source::Kind::shards;
    s.path = source.substr(7);
    if (!fs::exists(s.path, none)) s.split = take_split(s.path);
    return s;
  }
  if (!fs::exists(source, none)) s.split = take_split(s.path);  // a name may end in ":train"
  if (ends(s.path, ".npy")) {
    s.kind = Source::Kind::npy;
    if (size_t comma = s.path.rfind(".npy,"); comma != s.path.npos) {
      s.labels = s.path.substr(comma + 5);
      s.path.resize(comma + 4);
    }
    return s;
  }
  if (!fs::exists(s.path, none))
    fail(ErrorKind::data, "data source '", printable(source), "': there is no such file or folder;",
         " a source is world, cifar10:DIR, shards:DIR, shards:PATTERN, a folder of images, or "
         "x.npy[,y.npy]");
  return s;
}

}  // namespace

DatasetPtr open_dataset(const std::string& source, const SourceOptions& options) {
  Source s = parse(source);
  std::string split = s.split.empty() ? options.split : s.split;
  if (s.kind == Source::Kind::world) return open_world(split, options);
  if (s.kind == Source::Kind::cifar10) return open_cifar10(s.path, split);
  if (s.kind == Source::Kind::shards) return open_shards(s.path, split);
  if (s.kind == Source::Kind::folder) return open_image_folder(s.path, split);
  if (!split.empty() && split != "train")
    fail(ErrorKind::data, "data source '", printable(source), "': .npy files are one split, there ",
         "is no '", printable(split), "'; name the files of that split");
  return open_npy(s.path, s.labels);
}

NamedSplit named_split(const std::string& source) {
  const std::string split = parse(source).split;
  if (split.empty()) return {source, ""};
  return {source.substr(0, source.size() - split.size() - 1), split};
}

bool has_split(const std::string& source, const std::string& split) {
  Source s = parse(source);
  if (!s.split.empty()) return s.split == split;
  if (s.kind == Source::Kind::world)
    return split == "train" || split == "val" || split == "test" || split == "test2";
  if (s.kind == Source::Kind::cifar10) return split == "train" || split == "test";
  const bool as_one = split == "train" || split.empty();
  if (s.kind == Source::Kind::npy) return as_one;
  auto splits = s.kind == Source::Kind::shards ? shard_splits(s.path) : folder_splits(s.path);
  if (splits.empty()) return as_one;
  return std::find(splits.begin(), splits.end(), split) != splits.end();
}

}  // namespace autodidact
