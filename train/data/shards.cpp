// Shards as WebDataset has them: tar archives, in byte order of their names, of samples that are
// files with one name up to its first dot: 0017.jpg and 0017.cls. The extension .cls is the class,
// a number in decimal digits; other files beside the picture are left out. Opening a
// source indexes its archives by their headers; pictures are read where they lie. The order of
// training goes through the shards one after another, so that a disk reads forward.
#include <sys/stat.h>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <xxhash.h>
#include "engine/check.h"
#include "kernels/parallel.h"
#include "train/data/dataset.h"
#include "train/data/image_file.h"
#include "train/data/image_folder.h"
#include "train/data/names.h"
#include "train/data/shard_names.h"
#include "train/data/shuffle.h"
#include "train/data/tar.h"

namespace autodidact {
namespace {

namespace fs = std::filesystem;

// Samples: half a GB of photographs, which the disk's cache holds.
constexpr int64_t kBuffer = 4096;
constexpr int32_t kMostClasses = 1000000;

struct Sample {
  std::string key;               // up to the first dot, folders included
  int64_t offset = 0, size = 0;  // of the picture's file in the archive
  int32_t label = -1;
};

struct Shard {
  std::string path;
  std::vector<Sample> samples;
  int64_t other = 0;  // files that are neither a picture nor a class
  int64_t bare = 0;   // samples without a picture
};

int32_t read_class(const FileParts& archive, const TarFile& file) {
  std::string text(size_t(std::min<int64_t>(file.size, 32)), ' ');
  archive.read(reinterpret_cast<uint8_t*>(text.data()), file.offset, int64_t(text.size()));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.pop_back();
  int32_t label = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error != std::errc() || end != text.data() + text.size() || label < 0 ||
      label >= kMostClasses)
    fail(ErrorKind::data, printable(archive.path()), ": ", printable(file.name),
         ": a class must be a number from 0 to ", kMostClasses - 1, ", got '", printable(text),
         "'");
  return label;
}

Shard index_of(const std::string& path) {
  const FileParts archive(path);
  Shard shard;
  shard.path = path;
  Sample sample;
  bool any = false, picture = false;
  auto close = [&] {
    if (any && picture) shard.samples.push_back(sample);
    shard.bare += any && !picture;
    sample = {}, any = picture = false;
  };
  each_file_in_tar(archive, [&](const TarFile& file) {
    const size_t base = file.name.rfind('/') + 1;  // 0 where there is none
    const size_t dot = file.name.find('.', base);
    if (dot == base || dot == file.name.npos) {  // hidden, or without an extension
      ++shard.other;
      return;
    }
    const std::string key = file.name.substr(0, dot);
    if (key != sample.key) close();
    sample.key = key, any = true;
    const std::string extension = file.name.substr(dot);
    if (extension == ".cls") sample.label = read_class(archive, file);
    else if (!picture && extension.find('.', 1) == extension.npos && has_image_extension(file.name))
      sample.offset = file.offset, sample.size = file.size, picture = true;
    else ++shard.other;
  });
  close();
  return shard;
}

std::vector<Shard> index_of_all(const std::vector<std::string>& paths) {
  std::vector<Shard> shards(paths.size());
  parallel_for(int64_t(paths.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) shards[size_t(i)] = index_of(paths[size_t(i)]);
  });
  return shards;
}

int32_t most_label(const std::vector<Shard>& shards) {
  int32_t most = -1;
  for (auto& shard : shards)
    for (auto& sample : shard.samples) most = std::max(most, sample.label);
  return most;
}

class Shards : public Dataset {
 public:
  Shards(std::string what, std::vector<Shard> shards, int32_t classes,
         std::vector<std::string> notes)
      : what_(std::move(what)), shards_(std::move(shards)), notes_(std::move(notes)) {
    int64_t other = 0, bare = 0;
    first_ = {0};
    for (auto& shard : shards_) {
      first_.push_back(first_.back() + int64_t(shard.samples.size()));
      other += shard.other, bare += shard.bare;
    }
    if (size() == 0) fail(ErrorKind::data, printable(what_), ": its shards hold no pictures");
    for (int32_t c = 0; c < classes; ++c) classes_.push_back(std::to_string(c));
    if (bare > 0) notes_.push_back(std::to_string(bare) + " samples without a picture");
    if (other > 0)
      notes_.push_back(std::to_string(other) + " files that are neither a picture nor a class");
    manifest_ = hash_shards();
  }
  int64_t size() const override { return first_.back(); }
  int side() const override { return 0; }
  const std::vector<std::string>& classes() const override { return classes_; }
  int label(int64_t i) const override { return sample(i).label; }
  std::string name(int64_t i) const override {
    return fs::path(shard(i).path).filename().string() + "/" + sample(i).key;
  }
  Image image(int64_t i, int square) const override {
    const Sample& s = sample(i);
    const std::string called = shard(i).path + "/" + s.key;
    const ImageLimits limits;
    if (s.size > limits.bytes)
      fail(ErrorKind::data, printable(called), ": the file has ", s.size, " bytes, the limit is ",
           limits.bytes);
    // Opened for each: thousands of shards are more than a process may hold open.
    const FileParts archive(shard(i).path);
    std::vector<uint8_t> bytes(static_cast<size_t>(s.size));
    archive.read(bytes.data(), s.offset, s.size);
    return decode_image(bytes, called, limits, square);
  }
  std::vector<int64_t> order(uint64_t seed, uint32_t epoch) const override {
    return shard_order(first_, kBuffer, seed, Stream::order, epoch);
  }
  uint64_t manifest() const override { return manifest_; }
  std::string describe() const override {
    return std::to_string(shards_.size()) + (shards_.size() == 1 ? " shard" : " shards") + " in " +
           printable(what_);
  }
  std::vector<std::string> notes() const override { return notes_; }

 private:
  // Names, sizes and times, as of an image folder; the samples follow from them.
  uint64_t hash_shards() const {
    uint64_t h = uint64_t(size());
    for (auto& s : shards_) {
      struct stat info {};
      ::stat(s.path.c_str(), &info);
      const std::string name = fs::path(s.path).filename().string();
      const int64_t numbers[2] = {info.st_size, info.st_mtime};
      h = XXH3_64bits_withSeed(name.data(), name.size(), h);
      h = XXH3_64bits_withSeed(numbers, sizeof numbers, h);
    }
    return h;
  }
  size_t shard_of(int64_t i) const {
    return size_t(std::upper_bound(first_.begin(), first_.end(), i) - first_.begin()) - 1;
  }
  const Shard& shard(int64_t i) const { return shards_[shard_of(i)]; }
  const Sample& sample(int64_t i) const {
    const size_t s = shard_of(i);
    return shards_[s].samples[size_t(i - first_[s])];
  }

  std::string what_;
  std::vector<Shard> shards_;
  std::vector<int64_t> first_;  // [shards + 1]: the first sample of each
  std::vector<std::string> notes_, classes_;
  uint64_t manifest_ = 0;
};

}  // namespace

DatasetPtr open_shards(const std::string& folder, const std::string& split) {
  std::error_code none;
  const bool pattern = is_shard_pattern(folder);
  if (!pattern && !fs::exists(folder, none))
    fail(ErrorKind::data, printable(folder), ": there is no such file or folder");
  std::map<std::string, ShardNames> names;  // of each split
  if (pattern) names[""] = shards_named(folder);
  else if (!fs::is_directory(folder, none)) names[""].paths = {folder};
  else if (auto splits = shard_splits(folder); splits.empty()) names[""] = shards_in(folder);
  else
    for (auto& s : splits) names[s] = shards_in(folder + "/" + s);

  std::string chosen = split;
  if (names.count("") && split == "train") chosen = "";
  else if (!names.count("") && split.empty())
    chosen = names.count("train") ? "train" : names.begin()->first;
  if (pattern && !names.count(chosen))
    fail(ErrorKind::data, printable(folder), ": shards that are named are one split, there is no '",
         printable(split), "'; name the shards of that split");
  if (!names.count(chosen))
    fail(ErrorKind::data, printable(folder), ": has no split '", printable(split),
         "': a sub-folder of that name with .tar files was expected");
  const std::string what = chosen.empty() ? folder : folder + "/" + chosen;
  std::vector<std::string> notes;
  if (auto& compressed = names[chosen].compressed; !compressed.empty())
    notes.push_back(say_compressed(compressed));
  if (names[chosen].paths.empty())
    fail(ErrorKind::data, printable(what), ": holds no shards (files named *.tar, in the folder ",
         "itself or in its sub-folders train, test and val)", notes.empty() ? "" : "; " + notes[0]);
  // One numbering of the classes for all splits, also where one lacks the last.
  int32_t most = -1;
  std::vector<Shard> shards;
  for (auto& [name, archives] : names) {
    std::vector<Shard> found = index_of_all(archives.paths);
    most = std::max(most, most_label(found));
    if (name == chosen) shards = std::move(found);
  }
  return std::make_shared<Shards>(what, std::move(shards), most + 1, std::move(notes));
}

}  // namespace autodidact
