#include "train/data/export.h"
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
  if (side == 0 || (image.height == side && image.width == side)) return image;
  Image square{side, side, std::vector<uint8_t>(size_t(side) * size_t(side) * 3)};
  resize(square.rgb.data(), side, side, image, central_square(image));
  return square;
}

void refuse_existing(const std::string& path, bool overwrite) {
  std::error_code none;
  if (!overwrite && fs::exists(path, none))
    fail(ErrorKind::usage, printable(path), ": is there already; choose another name or give ",
         "--overwrite");
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
  write_npy(y, "<i8", {data.size()},
            {reinterpret_cast<const uint8_t*>(labels.data()), labels.size() * 8});
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

}  // namespace

std::vector<std::string> export_dataset(const std::string& out, const Dataset& data, int side,
                                        bool overwrite) {
  if (out.size() > 4 && out.compare(out.size() - 4, 4, ".npy") == 0)
    return export_npy(out, data, side, overwrite);
  refuse_existing(out, overwrite);
  std::error_code error;
  fs::create_directories(out, error);
  for (auto& c : data.classes())
    if (!error) fs::create_directories(out + "/" + folder_name(c), error);
  if (error)
    fail(ErrorKind::failure, printable(out), ": cannot make this folder: ", error.message());
  parallel_for(data.size(), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::string number = std::to_string(i);
      number.insert(0, size_t(std::max<int64_t>(0, 7 - int64_t(number.size()))), '0');
      int label = data.label(i);
      std::string folder = label < 0 ? out : out + "/" + folder_name(data.classes()[size_t(label)]);
      write_png(folder + "/" + number + ".png", picture_of(data, i, side));
    }
  });
  return {out};
}

}  // namespace autodidact
