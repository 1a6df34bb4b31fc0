// Instance discrimination with a memory bank (Wu, Xiong, Yu & Lin 2018, "NPID"): every picture is a
// class of its own, whose prototype is the average of its earlier embeddings. The negatives are the
// whole bank (the non-parametric softmax), or some of it, drawn anew for every picture
// (noise-contrastive estimation, for banks of millions).
#include <algorithm>
#include <cmath>
#include "train/contrastive/contrastive.h"

namespace autodidact {
namespace {

struct NpidKeys {
  ContrastiveKeys contrastive;
  double bank_momentum = 0.5, proximal = 0;
  int64_t negatives = 0;
  std::string bank = "memory";
  void visit(Keys& k) {
    contrastive.visit(k);
    k("bank_momentum", bank_momentum, "of a picture's prototype: m old + (1 - m) new, length 1",
      0.0, 1.0);
    k("negatives", negatives, "drawn from the bank for each picture (section 3.2); 0: all of it", 0,
      100000000);
    k("bank", bank,
      "where it is: in memory, or in a nameless file in the run's folder, for banks larger than "
      "memory should hold (a training run's alone; not for a GPU)",
      {"memory", "disk"});
    k("proximal", proximal, "weight of |new - old|^2 in the loss (section 3.3)", 0.0, 1000.0);
  }
};

class Npid : public Contrastive {
 public:
  Npid(const NpidKeys& keys, const DataFacts& data, Dtype dtype)
      : Contrastive(keys.contrastive, data, dtype), npid_(keys), log_mean_(full({1}, kUnknown)) {
    if (data.samples == 0) return;  // the data is not known: a checkpoint is looked at
    const Shape shape = {int(data.samples), model_.dim()};
    bank_ = on_disk() ? empty_on_disk(shape, Dtype::f32, data.folder) : empty(shape);
    Rng rng = data.rng(Stream::keys);
    fill_normal(bank_, 0, 1, rng);
    if (!data.draws) return;
    constexpr int kRows = 4096;  // at a time: it may be larger than memory
    for (int begin = 0; begin < shape[0]; begin += kRows) {
      Tensor rows = view_rows(bank_, begin, std::min(begin + kRows, shape[0]));
      copy(rows, l2_normalize(rows));
    }
  }

  void begin(const RunParts& parts) override {
    if (on_disk() && device() != Device::cpu)
      fail(ErrorKind::usage, "npid: bank = 'disk' is for the CPU: a GPU's kernels read its memory");
    Contrastive::begin(parts);
  }

  Tensor loss(const Batch& batch, Metrics& metrics) override {
    Tensor v = model_(views(batch, views_in_order(batch.count, 0)));
    Tensor own = empty({batch.count}, Dtype::i64), positives = empty_like(own);
    for (int i = 0; i < batch.count; ++i) {
      ptr<int64_t>(own)[i] = batch.samples[size_t(i)];
      ptr<int64_t>(positives)[i] = batch.samples[size_t(positive_of(i, batch.count))];
    }
    own = to_device(own, device()), positives = to_device(positives, device());
    Tensor rank = empty({batch.count}, Dtype::i32, device());
    Tensor loss = npid_.negatives
                      ? noise_loss(batch, v, positives, rank)
                      : nonparametric_softmax(v, bank_, positives, temperature(), true, &rank);
    metrics = measure(loss, rank, v);
    Tensor old = gather_rows(bank_, own);
    if (npid_.proximal > 0) loss = loss + scale(sum(square(v - old)), npid_.proximal / batch.count);
    // The loss has its gradient: the bank may move.
    const double m = npid_.bank_momentum;
    scatter_rows(bank_, own, l2_normalize(scale(old, m) + scale(detach(v), 1 - m)));
    return loss;
  }

  void visit(Visitor& v) override {
    Contrastive::visit(v);
    if (bank_) v("method.bank", bank_, Role::buffer);
    if (npid_.negatives) v("method.log_mean", log_mean_, Role::buffer);
  }

 private:
  static constexpr double kUnknown = -1e30;

  // Judging has no folder, and no training data of this size either.
  bool on_disk() const { return npid_.bank == "disk" && !data_.folder.empty(); }

  // Z, the softmax's normaliser, is taken from the first batch and kept (section 3.2).
  Tensor noise_loss(const Batch& batch, const Tensor& v, const Tensor& positives, Tensor& rank) {
    const int m = int(npid_.negatives), rows = bank_.shape[0];
    Tensor noise = empty({batch.count, m}, Dtype::i64);
    for (int i = 0; i < batch.count; ++i)
      for (int j = 0; j < m; j += 4) {
        const Philox4 drawn =
            philox(data_.seed, (uint64_t(Stream::keys) << 32) | uint32_t(batch.epoch),
                   (uint64_t(batch.samples[size_t(i)]) << 32) | uint32_t(j));
        for (int k = j; k < std::min(j + 4, m); ++k)
          ptr<int64_t>(noise)[int64_t(i) * m + k] = below(drawn.v[k - j], uint32_t(rows));
      }
    noise = to_device(noise, device());
    // Z = N mean exp, so that log(Z m / N) is log_mean + log m.
    auto contrast = [&](const Tensor& of, Tensor* log_mean) {
      const float shift = item<float>(log_mean_) + std::log(float(m));
      return noise_contrast(of, bank_, positives, noise, temperature(), shift, &rank, log_mean);
    };
    if (item<float>(log_mean_) == float(kUnknown)) contrast(detach(v), &log_mean_);
    return contrast(v, nullptr);
  }

  NpidKeys npid_;
  Tensor bank_;      // [samples, dim], rows of length 1
  Tensor log_mean_;  // [1], of exp(similarity / temperature) over the bank, or kUnknown
};

}  // namespace

std::unique_ptr<Method> make_npid(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  NpidKeys keys;
  keys.contrastive.head = "linear";  // as the paper
  recipe.read(keys);
  return std::make_unique<Npid>(keys, data, dtype);
}

}  // namespace autodidact
