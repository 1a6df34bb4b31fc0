#include "train/evaluate/probe.h"
#include <algorithm>
#include <fmt/format.h>
#include "train/evaluate/standardize.h"

namespace autodidact {
namespace {

void check_labelled(const DatasetPtr& train, const DatasetPtr& test) {
  for (const DatasetPtr& data : {train, test})
    if (data->classes().empty())
      fail(ErrorKind::data, "evaluate: the data must have labels, got ", data->describe());
  if (train->classes() != test->classes())
    fail(ErrorKind::data, "evaluate: training and test split must have the same classes, got ",
         train->describe(), " and ", test->describe());
}

std::string grid_text(const Shape& map, int grid) {
  if (map.rank() == 1) return fmt::format("{}", map[0]);
  return fmt::format("{}x{}x{} -> {}x{}", map[0], map[1], map[2], grid, grid);
}

}  // namespace

int64_t held_out_count(int64_t training_pictures) {
  return std::min<int64_t>(5000, (training_pictures + 5) / 10);
}

Probe linear_probe(const Subject& subject, const DatasetPtr& train, const DatasetPtr& test,
                   const ProbeOptions& options, const Say& say) {
  check_labelled(train, test);
  const int classes = int(train->classes().size());
  std::vector<std::string> blocks = options.blocks;
  if (blocks.empty()) blocks = subject.encoder->block_names();
  LinearOptions linear = options.linear;
  linear.seed = options.seed;
  HoldOut parts = hold_out(train, held_out_count(train->size()), options.seed);

  Probe probe;
  probe.trained_on = parts.kept->size(), probe.held_out = parts.held->size();
  probe.tested_on = test->size();
  for (const auto& group :
       groups_in_memory(subject, train->size() + test->size(), blocks, options.pooling)) {
    if (say) say(fmt::format("features of {} pictures", train->size() + test->size()));
    Features kept = features_of(subject, parts.kept, group, options.pooling);
    Features held = features_of(subject, parts.held, group, options.pooling);
    Features unseen = features_of(subject, test, group, options.pooling);
    for (const Features* f : {&kept, &held, &unseen})
      probe.bad_files.insert(probe.bad_files.end(), f->bad_files.begin(), f->bad_files.end());
    for (size_t b = 0; b < group.size(); ++b) {
      BlockFeatures& f = kept.blocks[b];
      Standardization s = statistics_of(f.x);
      for (Features* part : {&kept, &held, &unseen}) standardize(part->blocks[b].x, s);
      LinearClassifiers model = fit_linear(f.x, kept.labels, classes, linear);
      std::vector<double> chosen_on = accuracies(model, held.blocks[b].x, held.labels);
      const size_t rate =
          size_t(std::max_element(chosen_on.begin(), chosen_on.end()) - chosen_on.begin());
      ProbeRow row{f.block, f.map, f.grid, f.x.shape[1]};
      row.rate = linear.rates[rate], row.held_out = chosen_on[rate];
      row.rate_at_edge = linear.rates.size() > 1 && (rate == 0 || rate + 1 == linear.rates.size());
      row.test = accuracies(model, unseen.blocks[b].x, unseen.labels)[rate];
      probe.rows.push_back(row);
      if (say)
        say(fmt::format("linear probe of {}: {:.1f} % on held-out training pictures", row.block,
                        100 * row.held_out));
      for (Features* part : {&kept, &held, &unseen}) part->blocks[b].x = {};
    }
  }
  for (size_t i = 0; i < probe.rows.size(); ++i)
    if (probe.rows[i].held_out > probe.rows[probe.best].held_out) probe.best = i;

  const ProbeRow& best = probe.chosen();
  probe.protocol = fmt::format(
      "linear probe on frozen features; block {} ({}, {} numbers, standardised), pooled by "
      "averaging "
      "to at most {}x{} and {} numbers; {}, rate {:g} of {:g}{}; rate and block chosen on {} "
      "held-out "
      "training pictures; trained on {}, tested on {}; seed {}",
      best.block, grid_text(best.map, best.grid), best.dims, options.pooling.most_grid,
      options.pooling.most_grid, options.pooling.most_dims, linear.describe(), best.rate,
      fmt::join(linear.rates, " "), best.rate_at_edge ? " (the edge of the sweep)" : "",
      probe.held_out, probe.trained_on, probe.tested_on, options.seed);
  return probe;
}

std::string Probe::table() const {
  std::string text = fmt::format("  {:<10} {:<20} {:>6} {:>8} {:>10} {:>7}\n", "block",
                                 "map -> grid", "dims", "rate", "held-out", "test");
  for (size_t i = 0; i < rows.size(); ++i) {
    const ProbeRow& r = rows[i];
    text += fmt::format("{} {:<10} {:<20} {:>6} {:>8g} {:>8.1f} % {:>5.1f} %\n",
                        i == best ? '*' : ' ', r.block, grid_text(r.map, r.grid), r.dims, r.rate,
                        100 * r.held_out, 100 * r.test);
  }
  return text;
}

double accuracy_of(const std::vector<int32_t>& voted, const std::vector<int32_t>& labels) {
  int64_t right = 0;
  for (size_t i = 0; i < labels.size(); ++i) right += voted[i] == labels[i];
  return double(right) / double(labels.size());
}

KnnResult knn_probe(const Subject& subject, const DatasetPtr& train, const DatasetPtr& test,
                    const std::string& block, const Pooling& pooling, const KnnOptions& options) {
  check_labelled(train, test);
  if (options.k > train->size())
    fail(ErrorKind::usage, "knn: k must be at most the ", train->size(), " training pictures, got ",
         options.k);
  Features bank = features_of(subject, train, {block}, pooling);
  Features queries = features_of(subject, test, {block}, pooling);
  const BlockFeatures& f = bank.blocks[0];
  Neighbors found = nearest_neighbors(queries.blocks[0].x, f.x, options.k);
  KnnResult result;
  result.block = block, result.dims = f.x.shape[1];
  result.accuracy =
      accuracy_of(knn_vote(found, bank.labels, int(train->classes().size()), options.temperature),
                  queries.labels);
  result.bank = train->size(), result.tested_on = test->size();
  for (const Features* part : {&bank, &queries})
    result.bad_files.insert(result.bad_files.end(), part->bad_files.begin(), part->bad_files.end());
  result.protocol = fmt::format(
      "weighted kNN, cosine, k {}, temperature {:g}; block {} ({}, {} numbers); bank {} training "
      "pictures, tested on {}",
      options.k, options.temperature, block, grid_text(f.map, f.grid), result.dims, result.bank,
      result.tested_on);
  return result;
}

}  // namespace autodidact
