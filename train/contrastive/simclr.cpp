// SimCLR (Chen, Kornblith, Norouzi & Hinton 2020): two views of each picture; the negatives are the
// other views in the batch.
#include "train/contrastive/contrastive.h"

namespace autodidact {
namespace {

class SimClr : public Contrastive {
 public:
  using Contrastive::Contrastive;

  Tensor loss(const Batch& batch, Metrics& metrics) override {
    if (batch.count < 2)
      fail(ErrorKind::usage, "simclr: batch_size must be at least 2: the others are the negatives");
    std::vector<ViewOf> rows = views_in_order(batch.count, 0);
    for (int i = 0; i < batch.count; ++i) rows.push_back({positive_of(i, batch.count), 1});
    Tensor z = model_(render_views(batch, rows, views_, dtype_));
    Tensor rank = empty({z.shape[0]}, Dtype::i32);
    Tensor loss = nt_xent(z, temperature(), &rank);
    metrics = measure(loss, rank, z);
    return loss;
  }
};

}  // namespace

std::unique_ptr<Method> make_simclr(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  ContrastiveKeys keys;
  recipe.read(keys);
  return std::make_unique<SimClr>(keys, data, dtype);
}

}  // namespace autodidact
