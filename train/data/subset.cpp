// Parts of a data set: subsets, a held-out part, k labels a class.
#include <algorithm>
#include <numeric>
#include <utility>
#include <xxhash.h>
#include "engine/check.h"
#include "train/data/dataset.h"
#include "train/data/names.h"
#include "train/data/shuffle.h"

namespace autodidact {
namespace {

class Subset : public Dataset {
 public:
  Subset(DatasetPtr data, std::vector<int64_t> indices, std::string what)
      : data_(std::move(data)), indices_(std::move(indices)), what_(std::move(what)) {
    for (int64_t i : indices_)
      check(i >= 0 && i < data_->size(), "subset: index ", i, " of a data set of ", data_->size());
  }
  int64_t size() const override { return int64_t(indices_.size()); }
  int side() const override { return data_->side(); }
  const std::vector<std::string>& classes() const override { return data_->classes(); }
  int label(int64_t i) const override { return data_->label(at(i)); }
  std::string name(int64_t i) const override { return data_->name(at(i)); }
  Image image(int64_t i, int square) const override { return data_->image(at(i), square); }
  const uint8_t* pixels(int64_t i) const override { return data_->pixels(at(i)); }
  // The whole's, so that a disk reads a part of it forward, too.
  std::vector<int64_t> order(uint64_t seed, uint32_t epoch) const override {
    const std::vector<int64_t> whole = data_->order(seed, epoch);
    std::vector<int64_t> place(whole.size()), order(indices_.size());
    for (size_t k = 0; k < whole.size(); ++k) place[size_t(whole[k])] = int64_t(k);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return place[size_t(at(a))] < place[size_t(at(b))];
    });
    return order;
  }
  uint64_t manifest() const override {
    return XXH3_64bits_withSeed(indices_.data(), indices_.size() * 8, data_->manifest());
  }
  std::string describe() const override { return what_ + " of " + data_->describe(); }
  std::vector<std::string> notes() const override { return data_->notes(); }

 private:
  int64_t at(int64_t i) const { return indices_[size_t(i)]; }
  DatasetPtr data_;
  std::vector<int64_t> indices_;
  std::string what_;
};

}  // namespace

DatasetPtr subset(DatasetPtr data, std::vector<int64_t> indices, std::string what) {
  return std::make_shared<Subset>(std::move(data), std::move(indices), std::move(what));
}

HoldOut hold_out(DatasetPtr data, int64_t n, uint64_t seed) {
  const int64_t total = data->size();
  if (n < 0) n = (total + 5) / 10;
  check(n > 0 && n < total, "hold_out: between 1 and ", total - 1, " of ", total,
        " samples can be held out, asked for ", n);
  auto order = permutation(total, seed, Stream::subset, uint32_t(Choice::hold_out));
  std::vector<int64_t> held(order.begin(), order.begin() + n), kept(order.begin() + n, order.end());
  std::sort(held.begin(), held.end());
  std::sort(kept.begin(), kept.end());
  return {subset(data, std::move(kept), std::to_string(total - n) + " samples"),
          subset(data, std::move(held), std::to_string(n) + " held-out samples")};
}

DatasetPtr few_labels(DatasetPtr data, int64_t k, uint64_t seed) {
  const auto& classes = data->classes();
  if (classes.empty()) fail(ErrorKind::data, data->describe(), ": has no labels to choose from");
  check(k > 0, "few_labels: at least 1 label a class, asked for ", k);
  std::vector<int64_t> count(classes.size()), chosen;
  for (int64_t i : permutation(data->size(), seed, Stream::subset, uint32_t(Choice::few_labels))) {
    int label = data->label(i);
    if (label >= 0 && count[size_t(label)] < k) ++count[size_t(label)], chosen.push_back(i);
  }
  for (size_t c = 0; c < classes.size(); ++c)
    if (count[c] < k)
      fail(ErrorKind::data, data->describe(), ": class '", printable(classes[c]), "' has ",
           count[c], " samples, ", k, " a class were asked for");
  std::sort(chosen.begin(), chosen.end());
  return subset(std::move(data), std::move(chosen), std::to_string(k) + " labels a class");
}

}  // namespace autodidact
