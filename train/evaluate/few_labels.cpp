#include "train/evaluate/few_labels.h"
#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include "train/data/shuffle.h"

namespace autodidact {
namespace {

// per_class of these rows of each class, by a permutation; empty where a class has fewer.
std::vector<int64_t> choose(const std::vector<int64_t>& rows, const std::vector<int32_t>& labels,
                            int classes, int64_t per_class, uint64_t seed) {
  std::vector<int64_t> chosen, taken(static_cast<size_t>(classes), 0);
  for (int64_t i :
       permutation(int64_t(rows.size()), seed, Stream::subset, uint32_t(Choice::few_labels))) {
    const int64_t r = rows[size_t(i)];
    const int32_t label = labels[size_t(r)];
    if (label >= 0 && taken[size_t(label)] < per_class) ++taken[size_t(label)], chosen.push_back(r);
  }
  return int64_t(chosen.size()) == per_class * classes ? chosen : std::vector<int64_t>();
}

}  // namespace

FewLabelProbe few_label_probe(SplitFeatures& features, int classes,
                              const FewLabelProbeOptions& options) {
  const size_t b = features.find(options.block);
  standardize(features, b);
  const Tensor& x = features.train.blocks[b].x;
  const std::vector<int32_t>& labels = features.train.labels;
  const HeldOutRows rows = held_out_rows(int64_t(labels.size()), options.seed);
  const std::vector<double>& rates = options.linear.rates;

  FewLabelProbe result;
  for (int64_t per_class : options.per_class) {
    std::vector<double> on_held(rates.size(), 0.0);
    std::vector<std::vector<double>> on_test;
    for (int d = 0; d < options.draws; ++d) {
      const uint64_t seed = options.seed + uint64_t(d);
      std::vector<int64_t> few = choose(rows.kept, labels, classes, per_class, seed);
      if (few.empty()) break;
      LinearClassifiers model = fit_linear(x, labels, classes, options.linear, few);
      std::vector<double> a = accuracies(model, x, labels, rows.held);
      for (size_t i = 0; i < a.size(); ++i) on_held[i] += a[i];
      on_test.push_back(accuracies(model, features.test.blocks[b].x, features.test.labels));
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
      options.block, x.shape[1], options.draws, options.linear.describe(),
      options.linear.least_steps, fmt::join(rates, " "), rows.held.size(),
      features.test.labels.size());
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
                            "image_size", "train_size", "test_size", "crop_padding", "flip"})
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
    RunResult run = train_run({"supervised",
                               recipe,
                               options.out + "/" + name,
                               RunDirectory::Existing::overwrite,
                               {},
                               pretrained.device},
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
