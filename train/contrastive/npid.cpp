// Instance discrimination with a memory bank (Wu, Xiong, Yu & Lin 2018, "NPID"): every picture is a
// class of its own, whose prototype is the average of its earlier embeddings. The negatives are the
// whole bank.
#include "train/contrastive/contrastive.h"

namespace autodidact {
namespace {

struct NpidKeys {
  ContrastiveKeys contrastive;
  double bank_momentum = 0.5, proximal = 0;
  void visit(Keys& k) {
    contrastive.visit(k);
    k("bank_momentum", bank_momentum, "of a picture's prototype: m old + (1 - m) new, length 1", 0.0,
      1.0);
    k("proximal", proximal, "weight of |new - old|^2 in the loss (section 3.3)", 0.0, 1000.0);
  }
};

class Npid : public Contrastive {
 public:
  Npid(const NpidKeys& keys, const DataFacts& data, Dtype dtype)
      : Contrastive(keys.contrastive, data, dtype), npid_(keys) {
    if (data.samples == 0) return;  // a checkpoint of before there was a bank
    bank_ = empty({int(data.samples), model_.dim()});
    Rng rng(data.seed, Stream::keys);
    fill_normal(bank_, 0, 1, rng);
    bank_ = l2_normalize(bank_);
  }

  Tensor loss(const Batch& batch, Metrics& metrics) override {
    Tensor v = model_(render_views(batch, views_in_order(batch.count, 0), views_, dtype_));
    Tensor own = empty({batch.count}, Dtype::i64), positives = empty_like(own);
    for (int i = 0; i < batch.count; ++i) {
      ptr<int64_t>(own)[i] = batch.samples[size_t(i)];
      ptr<int64_t>(positives)[i] = batch.samples[size_t(positive_of(i, batch.count))];
    }
    Tensor rank = empty({batch.count}, Dtype::i32);
    Tensor loss = nonparametric_softmax(v, bank_, positives, temperature(), true, &rank);
    metrics = measure(loss, rank, v);
    Tensor old = gather_rows(bank_, own);
    if (npid_.proximal > 0)
      loss = loss + scale(sum(square(v - old)), npid_.proximal / batch.count);
    // The loss has its gradient: the bank may move.
    const double m = npid_.bank_momentum;
    scatter_rows(bank_, own, l2_normalize(scale(old, m) + scale(detach(v), 1 - m)));
    return loss;
  }

  void visit(Visitor& v) override {
    Contrastive::visit(v);
    if (bank_) v("method.bank", bank_, Role::buffer);
  }

 private:
  NpidKeys npid_;
  Tensor bank_;  // [samples, dim], rows of length 1
};

}  // namespace

std::unique_ptr<Method> make_npid(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  NpidKeys keys;
  keys.contrastive.head = "linear";  // as the paper
  recipe.read(keys);
  return std::make_unique<Npid>(keys, data, dtype);
}

}  // namespace autodidact
