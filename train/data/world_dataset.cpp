// The built-in world's classification pictures as a data set.
#include <xxhash.h>
#include "engine/check.h"
#include "train/data/dataset.h"
#include "train/data/names.h"
#include "train/data/world.h"

namespace autodidact {
namespace {

class WorldDataset : public Dataset {
 public:
  WorldDataset(const WorldConfig& config, int64_t size, std::string split)
      : config_(config), size_(size), split_(std::move(split)) {
    for (int c = 0; c < kWorldClasses; ++c) classes_.push_back(world_class_name(c));
  }
  int64_t size() const override { return size_; }
  int side() const override { return config_.size; }
  const std::vector<std::string>& classes() const override { return classes_; }
  int label(int64_t i) const override { return world_label(config_, i); }
  std::string name(int64_t i) const override {
    return "world:" + split_ + "[" + std::to_string(i) + "]";
  }
  Image image(int64_t i, int) const override {
    Image image{config_.size, config_.size,
                std::vector<uint8_t>(size_t(config_.size) * size_t(config_.size) * 3)};
    render_world_image(image.rgb.data(), config_, i);
    return image;
  }
  // Ten pictures stand for all: a changed generator changes every one.
  uint64_t manifest() const override {
    uint64_t h = uint64_t(size_);
    for (int64_t i = 0; i < 10; ++i) {
      Image picture = image(i, 0);
      h = XXH3_64bits_withSeed(picture.rgb.data(), picture.rgb.size(), h);
    }
    return h;
  }
  std::string describe() const override { return "world " + split_; }

 private:
  WorldConfig config_;
  int64_t size_;
  std::string split_;
  std::vector<std::string> classes_;
};

}  // namespace

DatasetPtr open_world(const std::string& split, const SourceOptions& options) {
  WorldConfig config;
  config.seed = options.seed;
  config.size = options.side > 0 ? options.side : 32;
  if (config.size < 32 || config.size > 224)
    fail(ErrorKind::usage, "world: pictures have 32 to 224 pixels a side, asked for ", config.size);
  if (split == "" || split == "train") config.split = WorldSplit::train;
  else if (split == "val") config.split = WorldSplit::val;
  else if (split == "test") config.split = WorldSplit::test;
  else if (split == "test2") config.split = WorldSplit::test2;
  else
    fail(ErrorKind::data, "world: has the splits train, val, test and test2, not '",
         printable(split), "'");
  int64_t size = options.size > 0 ? options.size : world_split_size(config.split);
  return std::make_shared<WorldDataset>(config, size, split.empty() ? "train" : split);
}

}  // namespace autodidact
