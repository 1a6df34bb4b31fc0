// SimCLR (Chen, Kornblith, Norouzi & Hinton 2020): two views of each picture; the negatives are the
// other views in the batch.
//
// Batches beyond memory (cached gradients; Gao, Zhang, Han & Callan 2021): the embeddings are made
// part by part without a tape, the loss tells each embedding's gradient, and a second pass takes
// each part's gradient through the network. No row may depend on rows of another part, so where
// BatchNorm is in the network its statistics have to be those of the parts.
#include <algorithm>
#include "train/contrastive/contrastive.h"

namespace autodidact {
namespace {

struct SimClrKeys {
  ContrastiveKeys contrastive;
  int64_t batch_norm_splits = 1, cached_parts = 1;
  void visit(Keys& k) {
    contrastive.visit(k);
    k("batch_norm_splits", batch_norm_splits,
      "parts of the views with BatchNorm statistics of their own", 1, 65536);
    k("cached_parts", cached_parts,
      "parts that the views pass the network in, twice, so that a batch needs the memory of one", 1,
      65536);
  }
};

// Puts running statistics back: the first of two passes does not count.
class KeptBuffers {
 public:
  explicit KeptBuffers(Embedder& model) {
    for (const NamedTensor& t : named_tensors(model))
      if (t.role == Role::buffer) kept_.emplace_back(t.tensor, clone(*t.tensor));
  }
  ~KeptBuffers() {
    for (auto& [tensor, before] : kept_) copy(*tensor, before);
  }
  KeptBuffers(const KeptBuffers&) = delete;
  KeptBuffers& operator=(const KeptBuffers&) = delete;
  bool any() const { return !kept_.empty(); }

 private:
  std::vector<std::pair<Tensor*, Tensor>> kept_;
};

class SimClr : public Contrastive {
 public:
  SimClr(const SimClrKeys& keys, const DataFacts& data, Dtype dtype)
      : Contrastive(keys.contrastive, data, dtype), simclr_(keys) {
    set_batch_splits(model_, int(keys.batch_norm_splits / keys.cached_parts));
  }

  void begin(const RunParts& parts) override {
    Contrastive::begin(parts);
    parameters_ = &parts.parameters;
    if (parts.batch_size < 2)
      fail(ErrorKind::usage, "simclr: batch_size must be at least 2: the others are the negatives");
    const int64_t views = 2 * parts.batch_size, splits = simclr_.batch_norm_splits;
    if (views % splits != 0 || views % simclr_.cached_parts != 0)
      fail(ErrorKind::usage, "simclr: batch_norm_splits and cached_parts must divide the ", views,
           " views of a batch, got ", splits, " and ", simclr_.cached_parts);
    if (KeptBuffers(model_).any() && splits % simclr_.cached_parts != 0)
      fail(ErrorKind::usage, "simclr: cached_parts must divide batch_norm_splits, ", splits,
           ", got ", simclr_.cached_parts,
           ": BatchNorm over several parts would need them all in memory; ",
           "or take a network with GroupNorm (model = \"resnet26\")");
  }

  Tensor loss(const Batch& batch, Metrics& metrics) override {
    std::vector<ViewOf> rows = views_in_order(batch.count, 0);
    for (int i = 0; i < batch.count; ++i) rows.push_back({positive_of(i, batch.count), 1});
    if (simclr_.cached_parts > 1) return cached_loss(batch, rows, metrics);
    return loss_of(embed(batch, rows), metrics);
  }

 private:
  Tensor embed(const Batch& batch, const std::vector<ViewOf>& rows) {
    return model_(views(batch, rows));
  }

  Tensor loss_of(const Tensor& z, Metrics& metrics) {
    Tensor rank = empty({z.shape[0]}, Dtype::i32, device());
    Tensor loss = nt_xent(z, temperature(), &rank);
    metrics = measure(loss, rank, z);
    return loss;
  }

  // Without a tape: the gradients are in the parameters when it returns.
  Tensor cached_loss(const Batch& batch, const std::vector<ViewOf>& rows, Metrics& metrics) {
    const int part = int(int64_t(rows.size()) / simclr_.cached_parts);
    auto rows_from = [&](int begin) {
      return std::vector<ViewOf>(rows.begin() + begin, rows.begin() + begin + part);
    };
    Tensor z = empty({int(rows.size()), model_.dim()}, Dtype::f32, device());
    {
      Frozen frozen(*parameters_);
      KeptBuffers kept(model_);
      for (int begin = 0; begin < z.shape[0]; begin += part) {
        Tensor place = view_rows(z, begin, begin + part);
        copy(place, embed(batch, rows_from(begin)));
      }
    }
    Tensor cached = leaf(z), loss = loss_of(cached, metrics);
    backward(loss);
    for (int begin = 0; begin < z.shape[0]; begin += part)
      backward(embed(batch, rows_from(begin)), view_rows(cached.node->grad, begin, begin + part));
    return detach(loss);
  }

  SimClrKeys simclr_;
  Parameters* parameters_ = nullptr;
};

}  // namespace

std::unique_ptr<Method> make_simclr(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  SimClrKeys keys;
  recipe.read(keys);
  return std::make_unique<SimClr>(keys, data, dtype);
}

}  // namespace autodidact
