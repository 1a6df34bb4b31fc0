// What the contrastive methods share: an encoder with a projection head, random views, how the
// embeddings are doing, and a nearest-neighbour judge during training. Where the negatives come
// from is each method's own: a memory bank (npid.cpp), the batch (simclr.cpp), a queue behind a
// momentum encoder (moco.cpp).
#pragma once
#include <optional>
#include "models/heads.h"
#include "train/classification.h"
#include "train/contrastive/health.h"
#include "train/method.h"
#include "train/views.h"

namespace autodidact {

struct ContrastiveKeys {
  ModelKeys model;
  ViewKeys views;
  std::string head = "mlp", positives = "same", on_collapse = "warn";
  int64_t hidden = 0, dim = 128, knn_pictures = 5000, knn_k = 200;
  double temperature = 0.2, knn_temperature = 0.1;
  void visit(Keys& k);
};

Embedder make_embedder(const ContrastiveKeys& keys, const DataFacts& data);

class Contrastive : public Method {
 public:
  Contrastive(const ContrastiveKeys& keys, const DataFacts& data, Dtype dtype);
  void begin(const RunParts& parts) override { say_ = parts.say; }
  Metrics evaluate(Loader& pictures, const std::function<bool()>& stop) override;
  // similarities.png: how alike two views of a picture are, and views of two pictures; where these
  // weights have been evaluated.
  void keep_pictures(const DatasetPtr& test, int64_t epoch, const std::string& folder) override;
  Encoder& encoder() override { return *model_.encoder; }
  Tensor logits(const Tensor& images) const override;
  Normalization normalization() const override { return views_.normalization; }
  void visit(Visitor& v) override { model_.visit(v); }
  void store_facts(std::map<std::string, std::string>& facts) const override;
  void load_facts(const std::map<std::string, std::string>& facts) override;
  std::vector<std::string> heads() const override { return {model_.encoder->head_name()}; }
  std::vector<std::string> outputs() const override { return {}; }
  bool uses_labels() const override { return false; }

 protected:
  Tensor views(const Batch& batch, const std::vector<ViewOf>& rows) {
    return render_views(batch, rows, views_, dtype_, device());
  }
  float temperature() const { return float(keys_.temperature); }
  // The picture whose view is picture i's positive: itself, or in the control the next one.
  int positive_of(int i, int count) const {
    return keys_.positives == "same" ? i : (i + 1) % count;
  }
  // Loss, part of the rows whose positive is nearer than every negative, spread. Says, or fails,
  // where the embeddings have collapsed.
  Metrics measure(const Tensor& loss, const Tensor& rank, const Tensor& z);

  ContrastiveKeys keys_;
  DataFacts data_;
  Dtype dtype_;
  ViewOptions views_;
  Embedder model_;
  std::function<void(const std::string&)> say_;

 private:
  // Adds the embeddings of two views of each picture of the batch, until there are kViewed.
  void embed_views(const Batch& batch, std::vector<float>& first, std::vector<float>& second);
  void add_knn(Metrics& metrics, const Tensor& features, const std::vector<int32_t>& labels) const;
  CollapseWatch collapse_;
  std::optional<SimilarityHistogram> similar_;  // of the weights as they are, once evaluated
};

}  // namespace autodidact
