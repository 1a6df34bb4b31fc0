// Images [N, H, W, 1 or 3] of uint8 in one .npy file, and labels [N] of integers in another.
#include <algorithm>
#include "engine/check.h"
#include "train/data/dataset.h"
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

}  // namespace

DatasetPtr open_npy(const std::string& images, const std::string& labels) {
  Npy x = read_npy(images);
  bool grey = x.shape.size() == 4 && x.shape[3] == 1;
  if (x.dtype != "|u1" || x.shape.size() != 4 || (!grey && x.shape[3] != 3))
    fail(ErrorKind::data, printable(images), ": images must be (N, H, W, 3) or (N, H, W, 1) of ",
         "|u1 (numpy.uint8), found ", shape_text(x));
  const int64_t n = x.shape[0], side = x.shape[1];
  if (n == 0) fail(ErrorKind::data, printable(images), ": holds no image");
  if (side != x.shape[2] || side < 1 || side > 16384)
    fail(ErrorKind::data, printable(images), ": images must be square with 1 to 16384 pixels a ",
         "side, found ", shape_text(x));
  Samples samples{int(side), std::move(x.bytes), {}, {}};
  if (grey) {
    std::vector<uint8_t> rgb(samples.images.size() * 3);
    for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = samples.images[i / 3];
    samples.images = std::move(rgb);
  }
  if (!labels.empty()) read_labels(samples, labels, n);
  return from_memory(std::move(samples), images);
}

}  // namespace autodidact
