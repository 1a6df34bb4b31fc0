// Images [N, H, W, 1 or 3] of uint8 in one .npy file, and labels [N] of integers in another.
#include <xxhash.h>
#include <algorithm>
#include "engine/check.h"
#include "train/data/dataset.h"
#include "train/data/image_file.h"
#include "train/data/names.h"
#include "train/data/npy.h"

namespace autodidact {
namespace {

std::string shape_text(const Npy& a) {
  std::string s = "(";
  for (size_t i = 0; i < a.shape.size(); ++i) s += (i ? ", " : "") + std::to_string(a.shape[i]);
  return s + ") of " + printable(a.dtype);
}

void read_labels(Samples& samples, const std::string& path, int64_t n) {
  constexpr int64_t kMostClasses = 1 << 20;
  Npy y = read_npy(path);
  if (y.shape != std::vector<int64_t>{n} || (y.dtype[1] != 'i' && y.dtype[1] != 'u'))
    fail(ErrorKind::data, printable(path), ": labels must be (", n, ") of integers, found ",
         shape_text(y));
  int64_t largest = -1;
  for (int64_t i = 0; i < n; ++i) {
    int64_t label = integer_at(y, i);
    if (label < -1 || label >= kMostClasses)
      fail(ErrorKind::data, printable(path), ": label ", i, " is ", label,
           ", labels are 0 and up, or -1 for none");
    largest = std::max(largest, label);
    samples.labels.push_back(int32_t(label));
  }
  for (int64_t c = 0; c <= largest; ++c) samples.classes.push_back(std::to_string(c));
}

// Pictures that are not square: as an image folder's, they are cut out when they are loaded.
class Oblong : public Dataset {
 public:
  Oblong(Samples samples, int height, int width, std::string name)
      : s_(std::move(samples)), height_(height), width_(width), name_(std::move(name)) {
    manifest_ = XXH3_64bits_withSeed(s_.images.data(), s_.images.size(), uint64_t(width));
    manifest_ = XXH3_64bits_withSeed(s_.labels.data(), s_.labels.size() * 4, manifest_);
  }
  int64_t size() const override { return int64_t(s_.images.size() / bytes()); }
  int side() const override { return 0; }
  const std::vector<std::string>& classes() const override { return s_.classes; }
  int label(int64_t i) const override { return s_.labels.empty() ? -1 : s_.labels[size_t(i)]; }
  std::string name(int64_t i) const override { return name_ + "[" + std::to_string(i) + "]"; }
  Image image(int64_t i, int) const override {
    auto first = s_.images.begin() + i * int64_t(bytes());
    return {height_, width_, {first, first + int64_t(bytes())}};
  }
  uint64_t manifest() const override { return manifest_; }
  std::string describe() const override { return printable(name_); }

 private:
  size_t bytes() const { return size_t(height_) * size_t(width_) * 3; }
  Samples s_;
  int height_, width_;
  std::string name_;
  uint64_t manifest_;
};

}  // namespace

DatasetPtr open_npy(const std::string& images, const std::string& labels) {
  Npy x = read_npy(images);
  bool grey = x.shape.size() == 4 && x.shape[3] == 1;
  if (x.dtype != "|u1" || x.shape.size() != 4 || (!grey && x.shape[3] != 3))
    fail(ErrorKind::data, printable(images), ": images must be (N, H, W, 3) or (N, H, W, 1) of ",
         "|u1 (numpy.uint8), found ", shape_text(x));
  const int64_t n = x.shape[0], height = x.shape[1], width = x.shape[2];
  if (n == 0) fail(ErrorKind::data, printable(images), ": holds no image");
  const ImageLimits limits;
  if (height < 1 || width < 1 || height > limits.side || width > limits.side)
    fail(ErrorKind::data, printable(images), ": images must have 1 to ", limits.side,
         " pixels a side, found ", shape_text(x));
  Samples samples{int(height), std::move(x.bytes), {}, {}};
  if (grey) {
    std::vector<uint8_t> rgb(samples.images.size() * 3);
    for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = samples.images[i / 3];
    samples.images = std::move(rgb);
  }
  if (!labels.empty()) read_labels(samples, labels, n);
  if (height != width)
    return std::make_shared<Oblong>(std::move(samples), int(height), int(width), images);
  return from_memory(std::move(samples), images);
}

}  // namespace autodidact
