// Data sets that lie in memory as one array, and pictures of others gathered into one.
#include <algorithm>
#include <mutex>
#include <map>
#include <utility>
#include <xxhash.h>
#include "engine/check.h"
#include "kernels/parallel.h"
#include "train/data/dataset.h"

namespace autodidact {
namespace {

class MemoryDataset : public Dataset {
 public:
  MemoryDataset(Samples samples, std::string what)
      : s_(std::move(samples)),
        what_(std::move(what)),
        row_(size_t(s_.side) * size_t(s_.side) * 3) {
    manifest_ = XXH3_64bits_withSeed(s_.images.data(), s_.images.size(), uint64_t(s_.side));
    manifest_ = XXH3_64bits_withSeed(s_.labels.data(), s_.labels.size() * 4, manifest_);
  }
  int64_t size() const override { return int64_t(s_.images.size() / row_); }
  int side() const override { return s_.side; }
  const std::vector<std::string>& classes() const override { return s_.classes; }
  int label(int64_t i) const override { return s_.labels.empty() ? -1 : s_.labels[size_t(i)]; }
  std::string name(int64_t i) const override { return what_ + "[" + std::to_string(i) + "]"; }
  const uint8_t* pixels(int64_t i) const override { return s_.images.data() + size_t(i) * row_; }
  Image image(int64_t i, int) const override {
    return {s_.side, s_.side, {pixels(i), pixels(i) + row_}};
  }
  uint64_t manifest() const override { return manifest_; }
  std::string describe() const override { return what_; }

 private:
  Samples s_;
  std::string what_;
  size_t row_;
  uint64_t manifest_;
};

class Gathered : public Dataset {
 public:
  Gathered(DatasetPtr data, int side)
      : data_(std::move(data)), side_(side), row_(size_t(side) * size_t(side) * 3) {
    images_.resize(size_t(data_->size()) * row_);
    std::mutex mutex;
    parallel_for(data_->size(), 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) try {
          load_square(images_.data() + size_t(i) * row_, *data_, i, side_);
        } catch (const Error& e) {
          if (e.kind != ErrorKind::data) throw;
          std::lock_guard lock(mutex);
          errors_.emplace(i, e);
        }
    });
  }
  int64_t size() const override { return data_->size(); }
  int side() const override { return side_; }
  const std::vector<std::string>& classes() const override { return data_->classes(); }
  int label(int64_t i) const override { return data_->label(i); }
  std::string name(int64_t i) const override { return data_->name(i); }
  const uint8_t* pixels(int64_t i) const override {
    return errors_.count(i) ? nullptr : images_.data() + size_t(i) * row_;
  }
  Image image(int64_t i, int) const override {
    if (auto e = errors_.find(i); e != errors_.end()) throw e->second;
    return {side_, side_, {pixels(i), pixels(i) + row_}};
  }
  uint64_t manifest() const override { return data_->manifest(); }
  std::string describe() const override { return data_->describe(); }
  std::vector<std::string> notes() const override { return data_->notes(); }

 private:
  DatasetPtr data_;
  int side_;
  size_t row_;
  std::vector<uint8_t> images_;  // [size, side, side, 3]
  std::map<int64_t, Error> errors_;
};

}  // namespace

DatasetPtr from_memory(Samples samples, std::string what) {
  return std::make_shared<MemoryDataset>(std::move(samples), std::move(what));
}

DatasetPtr in_memory(DatasetPtr data, int side) {
  if (data->side() == side && data->size() > 0 && data->pixels(0)) return data;
  return std::make_shared<Gathered>(std::move(data), side);
}

DatasetPtr held_in_memory(DatasetPtr data, int side) {
  constexpr int64_t kMost = int64_t(2) << 30;  // bytes
  return data->size() * side * side * 3 <= kMost ? in_memory(std::move(data), side) : data;
}

}  // namespace autodidact
