#include "train/data/export.h"
#include <unistd.h>
#include <cstring>
#include <filesystem>
#include "engine/check.h"
#include "kernels/parallel.h"
#include "train/data/image_file.h"
#include "train/data/names.h"
#include "train/data/npy.h"

namespace autodidact {
namespace {

namespace fs = std::filesystem;

Image picture_of(const Dataset& data, int64_t i, int side) {
  Image image = data.image(i);
  if (side == 0) return image;
  Image square{side, side, std::vector<uint8_t>(size_t(side) * size_t(side) * 3)};
  resize_square(square.rgb.data(), side, image);
  return square;
}

std::vector<std::string> export_npy(const std::string& out, const Dataset& data, int side,
                                    bool overwrite) {
  size_t comma = out.rfind(".npy,");
  std::string x = comma == out.npos ? out : out.substr(0, comma + 4),
              y = comma == out.npos ? "" : out.substr(comma + 5);
  if (side == 0) side = data.side();
  if (side == 0)
    fail(ErrorKind::usage, "export: the pictures of ", data.describe(),
         " may differ in size; give ", "--side for the side of an array");
  if (!y.empty() && data.classes().empty())
    fail(ErrorKind::data, "export: ", data.describe(), " has no labels for ", printable(y));
  refuse_existing(x, overwrite);
  if (!y.empty()) refuse_existing(y, overwrite);

  const size_t row = size_t(side) * size_t(side) * 3;
  std::vector<uint8_t> pixels(size_t(data.size()) * row);
  parallel_for(data.size(), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(&pixels[size_t(i) * row], picture_of(data, i, side).rgb.data(), row);
  });
  write_npy(x, "|u1", {data.size(), side, side, 3}, pixels);
  if (y.empty()) return {x};
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < data.size(); ++i) labels.push_back(data.label(i));
  write_npy(y, labels);
  return {x, y};
}

// A class as a folder's name: no separator, not hidden, no way up.
std::string folder_name(const std::string& name) {
  std::string safe = printable(name);
  for (char& c : safe)
    if (c == '/' || c == '\\') c = '_';
  if (safe.empty() || safe[0] == '.') safe = "_" + safe;
  return safe;
}

std::string number_of(int64_t i) {
  std::string number = std::to_string(i);
  return number.insert(0, size_t(std::max<int64_t>(0, 7 - int64_t(number.size()))), '0');
}

bool is_exported(const fs::directory_entry& entry) {
  const std::string stem = entry.path().stem().string();
  return entry.symlink_status().type() == fs::file_type::regular &&
         entry.path().extension() == ".png" && stem.size() >= 7 &&
         stem.find_first_not_of("0123456789") == stem.npos;
}

// As they are now: what follows may change them.
std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  return {fs::directory_iterator(folder), fs::directory_iterator()};
}

void remove_exported(const fs::path& folder) {
  for (auto& entry : entries_of(folder))
    if (is_exported(entry)) fs::remove(entry);
}

// What is written here takes an earlier export's place when all of it is there; until then that
// stays, and where an error ends the export nothing is left of this one. Other files are left
// alone.
class NewFolder {
 public:
  explicit NewFolder(const std::string& out)
      : out_(out), fresh_(out_ / (".export.tmp-" + std::to_string(getpid()))) {
    std::error_code none;
    created_ = !fs::exists(out_, none);
    make("");
  }
  ~NewFolder() {
    std::error_code ignored;
    fs::remove_all(fresh_, ignored);
    if (created_) fs::remove(out_, ignored);  // where it is empty
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  std::string file(const std::string& name) const { return (fresh_ / name).string(); }
  void make(const std::string& name) const {
    std::error_code error;
    fs::create_directories(fresh_ / name, error);
    if (error)
      fail(ErrorKind::failure, printable(out_.string()),
           ": cannot make this folder: ", error.message());
  }
  void replace_exported() {
    remove_exported(out_);
    for (auto& entry : entries_of(out_))
      if (entry.symlink_status().type() == fs::file_type::directory && entry.path() != fresh_) {
        remove_exported(entry);
        std::error_code not_empty;
        fs::remove(entry, not_empty);
      }
    move_entries(fresh_, out_);
  }

 private:
  static void move_entries(const fs::path& from, const fs::path& to) {
    for (auto& entry : entries_of(from))
      if (const fs::path target = to / entry.path().filename();
          entry.is_directory() && fs::exists(target))
        move_entries(entry, target);
      else fs::rename(entry, target);
  }
  fs::path out_, fresh_;
  bool created_ = false;
};

}  // namespace

std::vector<std::string> export_dataset(const std::string& out, const Dataset& data, int side,
                                        bool overwrite) {
  if (out.size() > 4 && out.compare(out.size() - 4, 4, ".npy") == 0)
    return export_npy(out, data, side, overwrite);
  refuse_existing(out, overwrite);
  NewFolder folder(out);
  for (auto& c : data.classes()) folder.make(folder_name(c));
  parallel_for(data.size(), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int label = data.label(i);
      const std::string name = number_of(i) + ".png";
      write_png(
          folder.file(label < 0 ? name : folder_name(data.classes()[size_t(label)]) + "/" + name),
          picture_of(data, i, side));
    }
  });
  folder.replace_exported();
  return {out};
}

}  // namespace autodidact
