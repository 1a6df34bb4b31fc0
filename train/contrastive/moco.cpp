// MoCo (He, Fan, Wu, Xie & Girshick 2020; v2: Chen, Fan, Girshick & He 2020): a queue of keys from
// earlier batches, made by an encoder whose weights are a slow average of the trained one's. v1 and
// v2 differ in head, views and schedule, which are keys of the recipe.
//
// BatchNorm would tell a query which keys came from its own batch. Both encoders therefore have
// statistics over parts of the batch, and the keys pass theirs in a random order, so that a query
// and its key are in different company. (A split alone leaves them in the same.)
#include <algorithm>
#include "train/contrastive/contrastive.h"
#include "train/data/shuffle.h"

namespace autodidact {
namespace {

struct MocoKeys {
  ContrastiveKeys contrastive;
  int64_t queue_size = 65536, batch_norm_splits = 8;
  double key_momentum = 0.999;
  bool symmetric = false;
  void visit(Keys& k) {
    contrastive.visit(k);
    k("queue_size", queue_size, "keys that are kept as negatives", 1, 100000000);
    k("key_momentum", key_momentum, "of the key encoder's weights: m key + (1 - m) query", 0.0,
      1.0);
    k("batch_norm_splits", batch_norm_splits,
      "parts of the batch with BatchNorm statistics of their own; 1: the whole, which leaks", 1,
      65536);
    k("symmetric", symmetric, "also the other way round: the second view asks, the first answers");
  }
};

// Passes on what is not trained: the key encoder's weights are the optimizer's average.
struct BuffersOf : Visitor {
  Visitor& to;
  std::string prefix;
  BuffersOf(Visitor& v, std::string p) : to(v), prefix(std::move(p)) {}
  void tensor(const std::string& name, Tensor& t, Role role) override {
    if (role == Role::buffer) to(prefix + name, t, role);
  }
  void training(bool& flag) override { to.training(flag); }
  void batch_splits(int& splits) override { to.batch_splits(splits); }
};

class Moco : public Contrastive {
 public:
  Moco(const MocoKeys& keys, const DataFacts& data, Dtype dtype)
      : Contrastive(keys.contrastive, data, dtype),
        moco_(keys),
        key_(make_embedder(keys.contrastive, data)),
        queue_(empty({int(keys.queue_size), model_.dim()})),
        next_(zeros({1}, Dtype::i32)),
        filled_(zeros({}, Dtype::i64)) {
    Rng rng = data.rng(Stream::keys);
    fill_normal(queue_, 0, 1, rng);
    if (data.draws) queue_ = l2_normalize(queue_);
    set_batch_splits(*this, int(keys.batch_norm_splits));
  }

  void begin(const RunParts& parts) override {
    Contrastive::begin(parts);
    if (parts.batch_size % moco_.batch_norm_splits != 0)
      fail(ErrorKind::usage, "moco: batch_norm_splits must divide batch_size, ", parts.batch_size,
           ", got ", moco_.batch_norm_splits);
    optimizer_ = &parts.optimizer;
    move_to(key_, device());
    key_parameters_ = Parameters(key_, dtype_);
    key_parameters_.freeze();
    copy(key_parameters_.value, parts.parameters.value);
    optimizer_->ema = key_parameters_.value;
    optimizer_->ema_momentum = float(moco_.key_momentum);
  }

  // The optimizer has averaged the weights in its own pass after the last step, which is before
  // this step's keys (He et al., algorithm 1).
  Tensor loss(const Batch& batch, Metrics& metrics) override {
    key_parameters_.refresh_compute();
    Tensor rank = empty({batch.count}, Dtype::i32, device()), z;
    Tensor keys = keys_of(batch, 1);
    Tensor loss = asked(batch, 0, keys, rank, z);
    metrics = measure(loss, rank, z);
    if (moco_.symmetric) {
      Tensor others = keys_of(batch, 0);
      loss = scale(loss + asked(batch, 1, others, rank, z), 0.5);
      metrics[0].second = double(item<float>(loss));
      put(others);  // now, or the first half's positives would be among its negatives
    }
    put(keys);
    metrics.emplace_back("queue", double(filled()));
    return loss;
  }

  std::string status() const override {
    return filled() < moco_.queue_size
               ? "queue " + std::to_string(filled()) + "/" + std::to_string(moco_.queue_size)
               : "";
  }

  void visit(Visitor& v) override {
    Contrastive::visit(v);
    v("method.queue", queue_, Role::buffer);
    v("method.queue_next", next_, Role::buffer);
    v("method.queue_filled", filled_, Role::buffer);
    BuffersOf buffers(v, "method.key.");
    key_.visit(buffers);
  }

 private:
  int64_t filled() const { return item<int64_t>(filled_); }

  Tensor asked(const Batch& batch, uint32_t view, const Tensor& keys, Tensor& rank, Tensor& z) {
    z = model_(views(batch, views_in_order(batch.count, view)));
    return infonce(z, keys, queue_, temperature(), true, &rank);
  }

  // Row i: the key of the picture that is i's positive. The key encoder sees the rows in another
  // order, anew in each step.
  Tensor keys_of(const Batch& batch, uint32_t view) {
    const std::vector<int64_t> order =
        permutation(batch.count, data_.seed, Stream::keys, uint32_t(2 * optimizer_->step() + view));
    std::vector<ViewOf> rows;
    Tensor place = empty({batch.count}, Dtype::i64);
    for (int i = 0; i < batch.count; ++i) {
      const int row = int(order[size_t(i)]);
      rows.push_back({positive_of(row, batch.count), view});
      ptr<int64_t>(place)[row] = i;
    }
    return gather_rows(key_(views(batch, rows)), to_device(place, device()));
  }

  void put(const Tensor& keys) {
    enqueue(queue_, next_, keys);
    if (filled() >= moco_.queue_size) return;
    const int64_t n = std::min<int64_t>(filled() + keys.shape[0], moco_.queue_size);
    copy(filled_, tensor_of<int64_t>({}, {n}));
    if (n == moco_.queue_size && say_)
      say_("the queue is full after step " + std::to_string(optimizer_->step() + 1) + ": " +
           std::to_string(n) + " keys; until now it held random ones, too");
  }

  MocoKeys moco_;
  Embedder key_;
  Parameters key_parameters_;
  Optimizer* optimizer_ = nullptr;
  Tensor queue_, next_;  // [K, dim]; [1], where the oldest lies
  Tensor filled_;        // i64, scalar: keys in it that are no random ones
};

}  // namespace

std::unique_ptr<Method> make_moco(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  MocoKeys keys;
  recipe.read(keys);
  return std::make_unique<Moco>(keys, data, dtype);
}

}  // namespace autodidact
