#include "train/contrastive/contrastive.h"
#include <algorithm>
#include "train/contrastive/similarity_figure.h"
#include "train/data/shuffle.h"
#include "train/evaluate/features.h"
#include "train/evaluate/knn.h"

namespace autodidact {
namespace {

constexpr int kViewed = 1024;  // pictures whose views are compared, all pairs of them

void append(std::vector<float>& to, const Tensor& t) {
  Tensor f = cast(to_device(t, Device::cpu), Dtype::f32);
  to.insert(to.end(), ptr<float>(f), ptr<float>(f) + f.size());
}
Tensor matrix(const std::vector<float>& values, int cols) {
  Tensor t = empty({int(values.size()) / cols, cols});
  std::copy(values.begin(), values.end(), ptr<float>(t));
  return t;
}

}  // namespace

void ContrastiveKeys::visit(Keys& k) {
  model.visit(k);
  views.visit(k);
  k("head", head, "what the loss looks at: the features, or a projection of them",
    {"none", "linear", "mlp"});
  k("hidden", hidden, "of the mlp head; 0: as the features", 0, 65536);
  k("dim", dim, "of the projection", 1, 65536);
  k("temperature", temperature, "of the softmax over similarities", 1e-3, 100.0);
  k("positives", positives,
    "mismatched: a view of another picture, the control that must not learn",
    {"same", "mismatched"});
  k("on_collapse", on_collapse, "where all embeddings have become one", {"warn", "stop"});
  k("knn_pictures", knn_pictures,
    "training pictures that the nearest-neighbour judge of each evaluation looks at; 0: none", 0,
    100000000);
  k("knn_k", knn_k, "its neighbours", 1, 1000000);
  k("knn_temperature", knn_temperature, "of its votes, exp(cosine / T)", 1e-3, 100.0);
}

Embedder make_embedder(const ContrastiveKeys& keys, const DataFacts& data) {
  if (keys.hidden && keys.head != "mlp")
    fail(ErrorKind::usage, "hidden is for the mlp head, got head = \"", keys.head, "\"");
  Rng rng = data.rng(Stream::init);
  return Embedder(keys.model.for_side(data.side), keys.head, int(keys.hidden), int(keys.dim), rng);
}

Contrastive::Contrastive(const ContrastiveKeys& keys, const DataFacts& data, Dtype dtype)
    : keys_(keys),
      data_(data),
      dtype_(dtype),
      views_(keys.views.options(data.seed)),
      model_(make_embedder(keys, data)) {}

void Contrastive::store_facts(std::map<std::string, std::string>& facts) const {
  if (collapse_.steps() > 0) facts["collapsed"] = std::to_string(collapse_.steps());
}

void Contrastive::load_facts(const std::map<std::string, std::string>& facts) {
  auto found = facts.find("collapsed");
  collapse_ = CollapseWatch(found == facts.end() ? 0 : std::atoi(found->second.c_str()));
}

Tensor Contrastive::logits(const Tensor&) const {
  fail(ErrorKind::usage, "a contrastive network tells no classes apart; `autodidact evaluate` ",
       "judges its features");
}

Metrics Contrastive::measure(const Tensor& loss, const Tensor& rank, const Tensor& z) {
  similar_.reset();  // a step of training: the weights will be others
  const double std = relative_std(to_device(detach(z), Device::cpu));
  if (collapse_.see(std)) {
    const std::string what = "the embeddings have collapsed: for " +
                             std::to_string(CollapseWatch::kSteps) +
                             " steps all pictures have had the same one";
    if (keys_.on_collapse == "stop")
      fail(ErrorKind::numerical, "train: ", what, "; the last checkpoint is unharmed");
    if (say_) say_(what + "; --on-collapse stop ends a run there");
  }
  const Tensor ranks = to_device(rank, Device::cpu);
  const int32_t* r = ptr<const int32_t>(ranks);
  const double hits = double(std::count(r, r + rank.size(), 0));
  return {
      {"loss", double(item<float>(loss))}, {"accuracy", hits / double(rank.size())}, {"std", std}};
}

// Every picture's features, and the embeddings of two views of the first ones.
Metrics Contrastive::evaluate(Loader& pictures, const std::function<bool()>& stop) {
  std::vector<float> features, first, second;
  std::vector<int32_t> labels;
  const int dim = model_.dim(), width = model_.encoder->dim();
  for (int64_t b = 0; b < pictures.batches_per_epoch(); ++b) {
    if (stop()) return {};
    const Batch& batch = pictures.next();
    if (batch.count == 0) continue;  // all damaged
    Tensor x = normalize(batch.images.data(), batch.count, batch.side, views_.normalization, dtype_,
                         device());
    append(features, model_.encoder->features(x));
    labels.insert(labels.end(), batch.labels.begin(), batch.labels.end());
    embed_views(batch, first, second);
  }
  check(labels.size() > 1, "evaluate: two pictures are needed, got ", labels.size());
  const Tensor a = matrix(first, dim), b = matrix(second, dim);
  similar_ = similarity_histogram(a, b);
  Metrics metrics = {{"test_std", relative_std(a)},
                     {"test_effective_rank", effective_rank(a)},
                     {"test_alignment", alignment(a, b)},
                     {"test_uniformity", uniformity(a)},
                     {"test_positive_similarity", similar_->positive_mean},
                     {"test_negative_similarity", similar_->negative_mean}};
  add_knn(metrics, matrix(features, width), labels);
  return metrics;
}

void Contrastive::embed_views(const Batch& batch, std::vector<float>& first,
                              std::vector<float>& second) {
  if (int(first.size()) >= kViewed * model_.dim()) return;
  append(first, model_(views(batch, views_in_order(batch.count, 0))));
  append(second, model_(views(batch, views_in_order(batch.count, 1))));
}

void Contrastive::keep_pictures(const DatasetPtr&, int64_t epoch, const std::string& folder) {
  if (similar_) draw(folder + "/similarities.png", similarity_figure(*similar_, epoch));
}

// The test pictures' classes by the votes of training pictures, all untouched.
void Contrastive::add_knn(Metrics& metrics, const Tensor& features,
                          const std::vector<int32_t>& labels) const {
  if (!data_.train || keys_.knn_pictures == 0 || data_.classes.empty()) return;
  const int64_t n = std::min(keys_.knn_pictures, data_.train->size());
  auto chosen =
      permutation(data_.train->size(), data_.seed, Stream::subset, uint32_t(Choice::judge));
  chosen.resize(size_t(n));
  const Subject subject{"",         model_.encoder.get(),     views_.normalization,
                        data_.side, model_.encoder->device(), data_.bad_cap};
  Features bank =
      features_of(subject, subset(data_.train, chosen, "of the nearest neighbours"), {kPooled}, {});
  const int k = int(std::min<int64_t>(keys_.knn_k, int64_t(bank.labels.size())));
  std::vector<int32_t> voted =
      knn_vote(nearest_neighbors(features, bank.blocks[0].x, k), bank.labels,
               int(data_.classes.size()), keys_.knn_temperature);
  double right = 0;
  for (size_t i = 0; i < labels.size(); ++i) right += voted[i] == labels[i];
  metrics.emplace_back("test_knn_accuracy", right / double(labels.size()));
}

}  // namespace autodidact
