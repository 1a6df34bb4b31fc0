#include "train/evaluate/few_labels.h"
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include "train/data/names.h"
#include "train/data/shuffle.h"

namespace autodidact {
namespace {

// per_class of these rows of each class, by a permutation.
std::vector<int64_t> choose(const std::vector<int64_t>& rows, const std::vector<int32_t>& labels,
                            size_t classes, int64_t per_class, uint64_t seed) {
  std::vector<int64_t> chosen, taken(classes, 0);
  for (int64_t i :
       permutation(int64_t(rows.size()), seed, Stream::subset, uint32_t(Choice::few_labels))) {
    const int64_t r = rows[size_t(i)];
    const int32_t label = labels[size_t(r)];
    if (label >= 0 && taken[size_t(label)] < per_class) ++taken[size_t(label)], chosen.push_back(r);
  }
  return chosen;
}

}  // namespace

std::vector<int32_t> labels_of(const Dataset& data) {
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < data.size(); ++i) labels.push_back(data.label(i));
  return labels;
}

LabelledSets labelled_sets(const std::vector<int32_t>& labels,
                           const std::vector<std::string>& classes,
                           const LabelledSetOptions& options) {
  HeldOutRows rows = held_out_rows(int64_t(labels.size()), options.seed);
  std::vector<int64_t> there(classes.size(), 0);
  for (int64_t r : rows.kept)
    if (int32_t label = labels[size_t(r)]; label >= 0) ++there[size_t(label)];
  const size_t rarest = size_t(std::min_element(there.begin(), there.end()) - there.begin());
  LabelledSets sets;
  for (int64_t per_class : options.per_class) {
    if (there[rarest] < per_class)
      fail(ErrorKind::usage, "few labels: class '", printable(classes[rarest]), "' has ",
           there[rarest], " training pictures beside the ", rows.held.size(), " held-out ones, ",
           per_class, " a class were asked for (--labels)");
    LabelledSets::Count count{per_class, {}};
    for (int d = 0; d < options.draws; ++d)
      count.draws.push_back(
          choose(rows.kept, labels, classes.size(), per_class, options.seed + uint64_t(d)));
    sets.counts.push_back(std::move(count));
  }
  sets.held = std::move(rows.held), sets.rows = int64_t(labels.size()), sets.seed = options.seed;
  return sets;
}

FewLabelProbe few_label_probe(SplitFeatures& features, int classes, const LabelledSets& sets,
                              const FewLabelProbeOptions& options) {
  const size_t b = features.find(options.block);
  standardize(features, b);
  const Tensor& x = features.train.blocks[b].x;
  const std::vector<int32_t>& labels = features.train.labels;
  check(sets.rows == int64_t(labels.size()), "few labels: the sets are of ", sets.rows,
        " rows, the features of ", labels.size());
  const std::vector<double>& rates = options.linear.rates;

  FewLabelProbe result;
  size_t draws = 0;
  for (const LabelledSets::Count& count : sets.counts) {
    std::vector<double> on_held(rates.size(), 0.0);
    std::vector<std::vector<double>> on_test;
    for (const std::vector<int64_t>& few : count.draws) {
      LinearClassifiers model = fit_linear(x, labels, classes, options.linear, few);
      std::vector<double> a = accuracies(model, x, labels, sets.held);
      for (size_t i = 0; i < a.size(); ++i) on_held[i] += a[i];
      on_test.push_back(accuracies(model, features.test.blocks[b].x, features.test.labels));
    }
    draws = on_test.size();
    const size_t rate = size_t(std::max_element(on_held.begin(), on_held.end()) - on_held.begin());
    FewLabelPoint p{count.per_class};
    for (auto& a : on_test) p.accuracy += a[rate] / double(on_test.size());
    for (auto& a : on_test) p.spread += (a[rate] - p.accuracy) * (a[rate] - p.accuracy);
    p.spread = on_test.size() > 1 ? std::sqrt(p.spread / double(on_test.size() - 1)) : 0;
    result.points.push_back(p);
  }
  result.protocol = fmt::format(
      "linear probe on frozen features of block {} ({} numbers, standardised), mean of {} draws of "
      "labelled pictures; {}, at least {} steps, rate of {:g} chosen for each count on {} held-out "
      "training pictures and their labels; tested on {}",
      options.block, x.shape[1], draws, options.linear.describe(), options.linear.least_steps,
      fmt::join(rates, " "), sets.held.size(), features.test.labels.size());
  return result;
}

// How the whole network is trained: SGD for convolutions, and for a Vision Transformer AdamW with
// the masked autoencoder's decay of rates (He et al. 2022, table 9), which from scratch has no
// meaning.
static std::string set_optimizer(Recipe& recipe, const FinetuneOptions& options, int64_t epochs) {
  const Recipe::Value* model = recipe.find("model");
  const bool transformer = model && std::get<std::string>(*model).rfind("vit_", 0) == 0;
  const double rate = options.learning_rate > 0 ? options.learning_rate : transformer ? 1e-3 : 0.05;
  recipe.set("learning_rate", rate);
  if (!transformer) return fmt::format("SGD, Nesterov momentum 0.9, cosine from {:g}", rate);
  const double layer_decay = options.from_scratch ? 1 : 0.75, warmup = double(epochs) / 20;
  recipe.set("optimizer", std::string("adamw"));
  recipe.set("weight_decay", 0.05);
  recipe.set("decay_scalars", false);
  recipe.set("layer_decay", layer_decay);
  recipe.set("warmup_epochs", warmup);
  return fmt::format(
      "AdamW, weight decay 0.05, cosine from {:g} after {:g} epochs of warm-up, {:g} of the rate "
      "for each block before the head",
      rate, warmup, layer_decay);
}

Finetune finetune(const LoadedMethod& pretrained, const std::string& checkpoint,
                  const LabelledSets& sets, const FinetuneData& data,
                  const FinetuneOptions& options, const Say& say) {
  Finetune result;
  const int64_t classes = int64_t(data.train->classes().size());
  if (classes == 0)
    fail(ErrorKind::data, "fine-tuning: the data must have labels, got ", data.train->describe());
  if (!data.test || data.test->size() == 0)
    fail(ErrorKind::data, "fine-tuning: there is nothing to test on beside ",
         data.train->describe());
  check(sets.rows == data.train->size(), "fine-tuning: the sets are of ", sets.rows,
        " rows, the data of ", data.train->size());
  Progress quiet(Loudness::quiet);
  std::string optimizer;
  for (const LabelledSets::Count& count : sets.counts) {
    Recipe recipe;
    // The network and its pictures as they were; what concerns the training is set below.
    take_network(recipe, pretrained.recipe, pretrained.side);
    recipe.set("data", data.source);
    recipe.set("bad_cap", pretrained.keys.bad_cap);
    if (data.source == pretrained.keys.data) {
      recipe.set("train_size", pretrained.keys.train_size);
      recipe.set("test_size", pretrained.keys.test_size);
    }
    recipe.set("pictures",
               fmt::format("{} of {}, {} a class, draw of seed {}, {} held-out ones left out; "
                           "tested on {} of {}",
                           count.per_class * classes, data.train->size(), count.per_class,
                           sets.seed, sets.held.size(), data.test->size(), data.test->describe()));
    recipe.set("seed", int64_t(options.seed));
    if (!options.from_scratch) recipe.set("init", checkpoint);
    // An epoch leaves out a last batch that is not full.
    const int64_t labelled = count.per_class * classes, batch = std::min(options.batch, labelled);
    recipe.set("batch_size", batch);
    const int64_t epochs = std::max<int64_t>(1, options.images / (labelled / batch * batch));
    recipe.set("epochs", epochs);
    recipe.set("evaluate_every", epochs);
    optimizer = set_optimizer(recipe, options, epochs);
    for (const std::string& assignment : options.set) recipe.set(assignment);
    recipe.set("checkpoint_every", int64_t(1) << 40);
    RunRequest request;
    request.method = "supervised", request.recipe = recipe;
    request.out = fmt::format("{}/{}-{}", options.out,
                              options.from_scratch ? "scratch" : "finetune", count.per_class);
    request.existing = options.existing, request.device = pretrained.method->device();
    request.data = {
        subset(data.train, count.draws[0], fmt::format("{} labels a class", count.per_class)),
        data.test,
        pretrained.side,
        {}};
    RunResult run = train_run(request, quiet);
    result.signal = run.loop.signal;
    if (result.signal) return result;
    for (auto& [metric, value] : run.loop.last)
      if (metric == "test_accuracy") result.points.push_back({count.per_class, value});
    if (say)
      say(fmt::format("{} labels a class, {}: {:.1f} %", count.per_class,
                      options.from_scratch ? "from scratch" : "fine-tuned",
                      100 * result.points.back().accuracy));
  }
  result.protocol = fmt::format(
      "{}, the whole network, on the first draw of labelled pictures; {}{}; batch {}, about {} "
      "pictures seen with the pretext's crops and flips; seed "
      "{}; nothing chosen; tested on {}",
      options.from_scratch ? "from scratch" : "fine-tuned", optimizer,
      options.set.empty() ? "" : fmt::format(", but {}", fmt::join(options.set, ", ")),
      options.batch, options.images, options.seed, data.test->size());
  return result;
}

}  // namespace autodidact
