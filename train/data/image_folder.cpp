// A folder of image files: a class is a sub-folder (at any depth below it), classes and files in
// byte order; a folder with pictures and no class folders has no labels. train, test and val
// sub-folders are splits. Hidden files and other extensions are left out and counted.
#include "train/data/image_folder.h"
#include <sys/stat.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>
#include <xxhash.h>
#include "engine/check.h"
#include "train/data/image_file.h"
#include "train/data/names.h"

namespace autodidact {
namespace {

namespace fs = std::filesystem;

struct Listing {
  std::vector<std::string> files, folders;  // names in byte order
  int64_t other = 0;                        // files with other extensions
};

// first_only: stop at the first picture.
Listing list(const std::string& folder, bool first_only = false) {
  Listing l;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name[0] == '.') continue;
    std::error_code none;  // a link to nowhere counts as a file: reading it names it
    if (it->is_directory(none)) l.folders.push_back(name);
    else if (has_image_extension(name)) l.files.push_back(name);
    else ++l.other;
    if (first_only && !l.files.empty()) return l;
  }
  if (error)
    fail(ErrorKind::data, printable(folder), ": this folder cannot be read: ", error.message());
  std::sort(l.files.begin(), l.files.end());
  std::sort(l.folders.begin(), l.folders.end());
  return l;
}

// Walks a tree of folders; `above` holds the folders from the root down, so that a link to one of
// them is seen as a loop.
struct Walk {
  std::vector<std::string> found;  // paths below the root
  std::vector<std::string> notes;
  int64_t other = 0;
  bool first_only = false;  // stop at the first picture

  void into(const std::string& root, const std::string& below) {
    std::string folder = below.empty() ? root : root + "/" + below;
    struct stat info;
    if (::stat(folder.c_str(), &info) != 0)
      fail(ErrorKind::data, printable(folder), ": cannot be opened: ", std::strerror(errno));
    auto id = std::pair(info.st_dev, info.st_ino);
    if (!above_.insert(id).second) {
      notes.push_back(printable(folder) + ": a link back to a folder above it, not followed");
      return;
    }
    if (++folders_ > kMostFolders)
      fail(ErrorKind::data, printable(root), ": more than ", kMostFolders, " folders below it");
    Listing l = list(folder, first_only);
    other += l.other;
    std::string prefix = below.empty() ? "" : below + "/";
    for (auto& f : l.files) found.push_back(prefix + f);
    for (auto& f : l.folders)
      if (!first_only || found.empty()) into(root, prefix + f);
    above_.erase(id);
  }

 private:
  // Links can lead to one folder along many paths, which multiply with depth.
  static constexpr int64_t kMostFolders = 1 << 20;
  int64_t folders_ = 0;
  std::set<std::pair<dev_t, ino_t>> above_;
};

bool holds_pictures(const std::string& folder) {
  Walk walk;
  walk.first_only = true;
  walk.into(folder, "");
  return !walk.found.empty();
}

class ImageFolder : public Dataset {
 public:
  ImageFolder(std::string root, const std::vector<std::string>& classes) : root_(std::move(root)) {
    Listing top = list(root_);
    bool labelled = std::any_of(top.folders.begin(), top.folders.end(),
                                [&](const auto& f) { return holds_pictures(root_ + "/" + f); });
    int64_t other = top.other;
    if (!labelled) {
      paths_ = top.files;
      labels_.assign(paths_.size(), -1);
    } else {
      classes_ = classes;
      if (!top.files.empty())
        notes_.push_back(std::to_string(top.files.size()) + " images beside the class folders");
      for (auto& f : top.folders) other += add_class(f);
    }
    if (other > 0) notes_.push_back(std::to_string(other) + " files that are not images by name");
    if (paths_.empty())
      fail(ErrorKind::data, printable(root_), ": holds no images (jpg, png, bmp, ppm, pgm, tga or ",
           "gif, in sub-folders named by class or in the folder itself); found ", other,
           " other files and ", top.folders.size(), " folders",
           fs::exists(root_ + "/data_batch_1.bin") ? "; for CIFAR-10 write cifar10:" + root_ : "");
    manifest_ = hash_files();
  }

  int64_t size() const override { return int64_t(paths_.size()); }
  int side() const override { return 0; }
  const std::vector<std::string>& classes() const override { return classes_; }
  int label(int64_t i) const override { return labels_[size_t(i)]; }
  std::string name(int64_t i) const override { return paths_[size_t(i)]; }
  Image image(int64_t i, int square) const override {
    return read_image(root_ + "/" + paths_[size_t(i)], {}, square);
  }
  uint64_t manifest() const override { return manifest_; }
  std::string describe() const override { return "images in " + printable(root_); }
  std::vector<std::string> notes() const override { return notes_; }

 private:
  int64_t add_class(const std::string& folder) {  // returns how many other files it holds
    Walk walk;
    walk.into(root_, folder);
    notes_.insert(notes_.end(), walk.notes.begin(), walk.notes.end());
    if (walk.found.empty()) {
      notes_.push_back("folder " + printable(folder) + " (it holds no image)");
      return walk.other;
    }
    auto at = std::lower_bound(classes_.begin(), classes_.end(), folder);
    std::sort(walk.found.begin(), walk.found.end());
    for (auto& path : walk.found) {
      paths_.push_back(std::move(path));
      labels_.push_back(int32_t(at - classes_.begin()));
    }
    return walk.other;
  }

  // Paths, sizes and times: a hash of the contents would read the whole data set.
  uint64_t hash_files() const {
    uint64_t h = 0;
    for (auto& path : paths_) {
      struct stat info {};
      ::stat((root_ + "/" + path).c_str(), &info);
      int64_t numbers[2] = {info.st_size, info.st_mtime};
      h = XXH3_64bits_withSeed(path.data(), path.size(), h);
      h = XXH3_64bits_withSeed(numbers, sizeof numbers, h);
    }
    return h;
  }

  std::string root_;
  std::vector<std::string> classes_, paths_, notes_;
  std::vector<int32_t> labels_;
  uint64_t manifest_ = 0;
};

constexpr const char* kSplits[] = {"train", "test", "val"};

std::vector<std::string> classes_in(const std::string& folder) {
  std::vector<std::string> classes;
  for (auto& f : list(folder).folders)
    if (holds_pictures(folder + "/" + f)) classes.push_back(f);
  return classes;
}

}  // namespace

std::vector<std::string> folder_splits(const std::string& folder) {
  const std::vector<std::string> held = classes_in(folder);
  std::vector<std::string> splits;
  for (auto* s : kSplits)
    if (std::find(held.begin(), held.end(), s) != held.end()) splits.push_back(s);
  for (auto& other : held)
    if (!splits.empty() && std::find(splits.begin(), splits.end(), other) == splits.end())
      fail(ErrorKind::data, printable(folder), ": its sub-folder '", splits[0], "' may be a split ",
           "or a class beside '", printable(other), "'; if it is a split, name its folder (",
           printable(folder), "/", splits[0], ") or move the others away; if it is a class, give ",
           "it another name");
  return splits;
}

DatasetPtr open_image_folder(const std::string& folder, const std::string& split) {
  std::error_code none;
  if (!fs::is_directory(folder, none))
    fail(ErrorKind::data, printable(folder),
         fs::exists(folder, none) ? ": is a file, an image folder was expected"
                                  : ": there is no such file or folder");
  auto splits = folder_splits(folder);
  if (splits.empty()) {
    if (!split.empty() && split != "train")
      fail(ErrorKind::data, printable(folder), ": has no split '", printable(split),
           "': a sub-folder of that name was expected");
    return std::make_shared<ImageFolder>(folder, classes_in(folder));
  }
  std::string chosen = split.empty() ? splits[0] : split, found;
  if (std::find(splits.begin(), splits.end(), chosen) == splits.end()) {
    for (auto& s : splits) found += " " + s;
    fail(ErrorKind::data, printable(folder), ": has no split '", printable(chosen),
         "', found the sub-folders", found);
  }
  // One numbering of the classes for all splits, also where a split lacks one.
  std::set<std::string> classes;
  for (auto& s : splits)
    for (auto& c : classes_in(folder + "/" + s)) classes.insert(c);
  return std::make_shared<ImageFolder>(folder + "/" + chosen,
                                       std::vector<std::string>(classes.begin(), classes.end()));
}

}  // namespace autodidact
