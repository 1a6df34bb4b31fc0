// The corruptions of Hendrycks & Dietterich (ICLR 2019, "Benchmarking neural network robustness to
// common corruptions and perturbations"): fifteen to test on and four more to tune on, at five
// severities, with the parameters of CIFAR-10-C up to 48 pixels a side, of Tiny-ImageNet-C up to
// 144, of ImageNet-C above. Written from the formulas; where ours differs is said beside each and
// in docs/corruptions.md. What is drawn depends on (seed, corruption, sample) alone: the severities
// of a sample share their random numbers.
#pragma once
#include <memory>
#include <string>
#include <vector>
#include "train/data/dataset.h"

namespace autodidact {

struct Corruption {
  std::string name;
  double severity = 5;  // 1 to 5; between two of them the parameters are interpolated
};

constexpr size_t kTestCorruptions = 15;              // the first of the names
const std::vector<std::string>& corruption_names();  // gaussian_noise, shot_noise, ...

// NAME:SEVERITY, NAME (all five severities), all (the fifteen), extra (the four); a list of these
// with commas; each once, in the order of the names. ErrorKind::usage: an unknown name (the nearest
// is named), a severity that is not 1 to 5.
std::vector<Corruption> parse_corruptions(const std::string& text);
std::string to_string(const Corruption& c);  // gaussian_noise:5

struct CorruptionOptions {
  uint64_t seed = 1;
  // Textures of frost; without them five procedural ones are used.
  std::shared_ptr<const std::vector<Image>> frost;
};
// Every image in a folder, by name. ErrorKind::data: there is none, or one is damaged.
std::shared_ptr<const std::vector<Image>> frost_textures(const std::string& folder);

// ErrorKind::data where a side has less than 16 pixels.
Image corrupted(const Image& clean, const Corruption& c, int64_t sample,
                const CorruptionOptions& options);

// The same pictures corrupted as they are read; `sample` is the index in `data`.
DatasetPtr corrupted(DatasetPtr data, const Corruption& c, const CorruptionOptions& options);
// The severity grows evenly along the data set, from `first` at its first picture to `c.severity`.
DatasetPtr gradually_corrupted(DatasetPtr data, const Corruption& c, double first,
                               const CorruptionOptions& options);

// Of a corruption over n pictures, all in units of 1 / 255.
struct CorruptionStatistics {
  double mean, deviation;  // of all values
  double distance;         // root of the mean squared difference to the clean picture
};
CorruptionStatistics corruption_statistics(const Dataset& clean, int64_t n, const Corruption& c,
                                           const CorruptionOptions& options);

}  // namespace autodidact
