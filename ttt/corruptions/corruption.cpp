#include "ttt/corruptions/corruption.h"
#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <sstream>
#include <xxhash.h>
#include "kernels/parallel.h"
#include "train/data/names.h"
#include "train/recipe.h"
#include "ttt/corruptions/picture.h"

namespace autodidact {
namespace {

constexpr int kLeastSide = 16;  // pixels

struct Entry {
  const char* name;
  Corrupt* apply;
};
// The order is that of the released data sets; a place in it is part of a sample's random key.
constexpr Entry kCorruptions[] = {
    {"gaussian_noise", gaussian_noise},
    {"shot_noise", shot_noise},
    {"impulse_noise", impulse_noise},
    {"defocus_blur", defocus_blur},
    {"glass_blur", glass_blur},
    {"motion_blur", motion_blur},
    {"zoom_blur", zoom_blur},
    {"snow", snow},
    {"frost", frost},
    {"fog", fog},
    {"brightness", brightness},
    {"contrast", contrast},
    {"elastic_transform", elastic_transform},
    {"pixelate", pixelate},
    {"jpeg_compression", jpeg_compression},
    {"speckle_noise", speckle_noise},
    {"gaussian_blur", gaussian_blur_of},
    {"spatter", spatter},
    {"saturate", saturate},
};

size_t place_of(const std::string& name) {
  const auto& names = corruption_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return size_t(found - names.begin());
  const std::string near = nearest(name, names);
  fail(ErrorKind::usage, "unknown corruption ", printable(name),
       near.empty() ? "" : "; did you mean " + near + "?");
}

double severity_of(const std::string& text) {
  double severity = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), severity);
  if (error != std::errc() || end != text.data() + text.size() || !(severity >= 1 && severity <= 5))
    fail(ErrorKind::usage, "corruption: a severity is a number from 1 to 5, got ", printable(text));
  return severity;
}

class Corrupted : public Dataset {
 public:
  Corrupted(DatasetPtr data, Corruption c, double first, CorruptionOptions options)
      : data_(std::move(data)), c_(std::move(c)), first_(first), options_(std::move(options)) {
    place_of(c_.name);
  }
  int64_t size() const override { return data_->size(); }
  int side() const override { return data_->side(); }
  const std::vector<std::string>& classes() const override { return data_->classes(); }
  int label(int64_t i) const override { return data_->label(i); }
  std::string name(int64_t i) const override { return data_->name(i); }
  Image image(int64_t i, int) const override {
    const double part = size() > 1 ? double(i) / double(size() - 1) : 1;
    const Corruption now{c_.name, first_ + part * (c_.severity - first_)};
    try {
      return corrupted(data_->image(i), now, i, options_);
    } catch (const Error& e) {
      if (e.kind != ErrorKind::data) throw;
      fail(ErrorKind::data, printable(data_->name(i)), ": ", e.what());
    }
  }
  uint64_t manifest() const override {
    const std::string key = fmt::format("{} {} {}", to_string(c_), first_, options_.seed);
    return XXH3_64bits_withSeed(key.data(), key.size(), data_->manifest());
  }
  std::string describe() const override { return data_->describe() + ", " + to_string(c_); }
  std::vector<std::string> notes() const override { return data_->notes(); }

 private:
  DatasetPtr data_;
  Corruption c_;
  double first_;
  CorruptionOptions options_;
};

}  // namespace

const std::vector<std::string>& corruption_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> n;
    for (const Entry& e : kCorruptions) n.push_back(e.name);
    return n;
  }();
  return names;
}

std::string to_string(const Corruption& c) { return fmt::format("{}:{}", c.name, c.severity); }

std::vector<Corruption> parse_corruptions(const std::string& text) {
  std::vector<Corruption> found;
  std::istringstream list(text);
  for (std::string item; std::getline(list, item, ',');) {
    const size_t colon = item.find(':');
    const std::string name = item.substr(0, colon);
    std::vector<double> severities = {1, 2, 3, 4, 5};
    if (colon != item.npos) severities = {severity_of(item.substr(colon + 1))};
    const auto& all = corruption_names();
    auto begin = all.begin(), end = all.end();
    if (name == "all") end = begin + kTestCorruptions;
    else if (name == "extra") begin += kTestCorruptions;
    else begin += std::ptrdiff_t(place_of(name)), end = begin + 1;
    for (; begin != end; ++begin)
      for (double severity : severities) found.push_back({*begin, severity});
  }
  if (found.empty()) fail(ErrorKind::usage, "corruption: NAME[:SEVERITY] is missing");
  auto key = [](const Corruption& c) { return std::pair(place_of(c.name), c.severity); };
  std::sort(found.begin(), found.end(), [&](auto& a, auto& b) { return key(a) < key(b); });
  auto same = [&](auto& a, auto& b) { return key(a) == key(b); };
  found.erase(std::unique(found.begin(), found.end(), same), found.end());
  return found;
}

Image corrupted(const Image& clean, const Corruption& c, int64_t sample,
                const CorruptionOptions& options) {
  const int shorter = std::min(clean.height, clean.width);
  if (shorter < kLeastSide)
    fail(ErrorKind::data, "a picture to corrupt needs at least ", kLeastSide, " x ", kLeastSide,
         " pixels, got ", clean.height, " x ", clean.width);
  const size_t place = place_of(c.name);
  Draws draw(options.seed, place, sample);
  Picture x(clean);
  kCorruptions[place].apply(x, Level(c.severity, shorter), draw, options);
  return x.image();
}

DatasetPtr corrupted(DatasetPtr data, const Corruption& c, const CorruptionOptions& options) {
  return std::make_shared<Corrupted>(std::move(data), c, c.severity, options);
}

DatasetPtr gradually_corrupted(DatasetPtr data, const Corruption& c, double first,
                               const CorruptionOptions& options) {
  return std::make_shared<Corrupted>(std::move(data), c, first, options);
}

CorruptionStatistics corruption_statistics(const Dataset& clean, int64_t n, const Corruption& c,
                                           const CorruptionOptions& options) {
  struct Sums {
    double values = 0, squares = 0, differences = 0, count = 0;
  };
  std::vector<Sums> parts;
  parts.resize(size_t(n));
  parallel_for(n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Image before = clean.image(i), after = corrupted(before, c, i, options);
      Sums& s = parts[size_t(i)];
      for (size_t k = 0; k < after.rgb.size(); ++k) {
        const double v = after.rgb[k], d = v - before.rgb[k];
        s.values += v, s.squares += v * v, s.differences += d * d;
      }
      s.count = double(after.rgb.size());
    }
  });
  Sums all;
  for (const Sums& s : parts) {
    all.values += s.values, all.squares += s.squares;
    all.differences += s.differences, all.count += s.count;
  }
  check(all.count > 0, "corruption statistics: there are no pictures");
  const double mean = all.values / all.count;
  return {mean, std::sqrt(std::max(0.0, all.squares / all.count - mean * mean)),
          std::sqrt(all.differences / all.count)};
}

}  // namespace autodidact
