#include "train/evaluate/few_labels.h"
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include "train/data/shuffle.h"
#include "train/evaluate/standardize.h"

namespace autodidact {
namespace {

// per_class rows of each class in the order of a permutation by seed; empty where a class has
// fewer.
std::vector<int64_t> choose_rows(const std::vector<int32_t>& labels, int classes, int64_t per_class,
                                 uint64_t seed) {
  std::vector<int64_t> rows;
  std::vector<int64_t> taken(size_t(classes), 0);
  for (int64_t r :
       permutation(int64_t(labels.size()), seed, Stream::subset, uint32_t(Choice::few_labels)))
    if (taken[size_t(labels[size_t(r)])] < per_class)
      ++taken[size_t(labels[size_t(r)])], rows.push_back(r);
  return int64_t(rows.size()) == per_class * classes ? rows : std::vector<int64_t>();
}

Tensor rows_of(const Tensor& x, const std::vector<int64_t>& rows) {
  Tensor y = empty({int(rows.size()), x.shape[1]});
  for (size_t i = 0; i < rows.size(); ++i)
    std::copy_n(ptr<float>(x) + rows[i] * x.shape[1], x.shape[1],
                ptr<float>(y) + int64_t(i) * x.shape[1]);
  return y;
}

}  // namespace

FewLabelProbe few_label_probe(const Subject& subject, const DatasetPtr& train,
                              const DatasetPtr& test, const FewLabelProbeOptions& options) {
  const int classes = int(train->classes().size());
  HoldOut parts = hold_out(train, held_out_count(train->size()), options.seed);
  Features kept = features_of(subject, parts.kept, {options.block}, options.pooling);
  Features held = features_of(subject, parts.held, {options.block}, options.pooling);
  Features unseen = features_of(subject, test, {options.block}, options.pooling);
  Standardization s = statistics_of(kept.blocks[0].x);
  for (Features* part : {&kept, &held, &unseen}) standardize(part->blocks[0].x, s);
  for (int32_t label : kept.labels)
    if (label < 0) fail(ErrorKind::data, "few labels: every training picture must have a label");

  FewLabelProbe result;
  const std::vector<double>& rates = options.linear.rates;
  for (int64_t per_class : options.per_class) {
    std::vector<double> on_held(rates.size(), 0.0);
    std::vector<std::vector<double>> on_test;
    for (int d = 0; d < options.draws; ++d) {
      std::vector<int64_t> rows =
          choose_rows(kept.labels, classes, per_class, options.seed + uint64_t(d));
      if (rows.empty()) break;
      std::vector<int32_t> labels;
      for (int64_t r : rows) labels.push_back(kept.labels[size_t(r)]);
      LinearClassifiers model =
          fit_linear(rows_of(kept.blocks[0].x, rows), labels, classes, options.linear);
      std::vector<double> a = accuracies(model, held.blocks[0].x, held.labels);
      for (size_t i = 0; i < a.size(); ++i) on_held[i] += a[i];
      on_test.push_back(accuracies(model, unseen.blocks[0].x, unseen.labels));
    }
    if (on_test.empty()) continue;
    const size_t rate = size_t(std::max_element(on_held.begin(), on_held.end()) - on_held.begin());
    FewLabelPoint p{per_class};
    for (auto& a : on_test) p.accuracy += a[rate] / double(on_test.size());
    for (auto& a : on_test) p.spread += (a[rate] - p.accuracy) * (a[rate] - p.accuracy);
    p.spread = on_test.size() > 1 ? std::sqrt(p.spread / double(on_test.size() - 1)) : 0;
    result.points.push_back(p);
  }
  result.protocol = fmt::format(
      "linear probe on frozen features of block {} ({} numbers, standardised), mean of {} draws of "
      "labelled pictures; {}, at least {} steps, rate of {:g} chosen on {} held-out training "
      "pictures; tested on {}",
      options.block, kept.blocks[0].x.shape[1], options.draws, options.linear.describe(),
      options.linear.least_steps, fmt::join(rates, " "), held.labels.size(), test->size());
  return result;
}

Finetune finetune(const LoadedMethod& pretrained, const std::string& checkpoint,
                  const std::string& data, const FinetuneOptions& options, const Say& say) {
  Finetune result;
  const int64_t classes = int64_t(open_dataset(data, {.split = "train"})->classes().size());
  if (classes == 0) fail(ErrorKind::data, "fine-tuning: the data must have labels, got ", data);
  Progress quiet(Loudness::quiet);
  for (int64_t per_class : options.per_class) {
    Recipe recipe;
    // The network and its pictures as they were; what concerns the training is set below.
    for (const char* key : {"model", "width", "groups", "imagenet_stem", "normalization",
                            "image_size", "train_size", "crop_padding", "flip"})
      if (const Recipe::Value* value = pretrained.recipe.find(key)) recipe.set(key, *value);
    recipe.set("data", data);
    recipe.set("labels_per_class", per_class);
    recipe.set("seed", int64_t(options.seed));
    recipe.set("batch_size", options.batch);
    recipe.set("learning_rate", options.learning_rate);
    if (!options.from_scratch) recipe.set("init", checkpoint);
    // An epoch leaves out a last batch that is not full.
    const int64_t labelled = per_class * classes, batch = std::min(options.batch, labelled);
    const int64_t epochs = std::max<int64_t>(1, options.images / (labelled / batch * batch));
    recipe.set("epochs", epochs);
    recipe.set("evaluate_every", epochs);
    recipe.set("checkpoint_every", int64_t(1) << 40);
    const std::string name =
        fmt::format("{}-{}", options.from_scratch ? "scratch" : "finetune", per_class);
    RunResult run = train_run(
        {"supervised", recipe, options.out + "/" + name, RunDirectory::Existing::overwrite, {}},
        quiet);
    for (auto& [metric, value] : run.loop.last)
      if (metric == "test_accuracy") result.points.push_back({per_class, value});
    if (run.loop.signal) break;
    if (say)
      say(fmt::format("{} labels a class, {}: {:.1f} %", per_class,
                      options.from_scratch ? "from scratch" : "fine-tuned",
                      100 * result.points.back().accuracy));
  }
  result.protocol = fmt::format(
      "{}, the whole network; SGD, Nesterov momentum 0.9, cosine from {:g}, batch {}, about {} "
      "pictures seen with the pretext's crops and flips; seed {}; nothing chosen",
      options.from_scratch ? "from scratch" : "fine-tuned", options.learning_rate, options.batch,
      options.images, options.seed);
  return result;
}

}  // namespace autodidact
