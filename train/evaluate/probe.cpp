#include "train/evaluate/probe.h"
#include <algorithm>
#include <fmt/format.h>
#include "train/data/shuffle.h"
#include "train/evaluate/standardize.h"

namespace autodidact {
namespace {

std::string grid_text(const Shape& map, int grid) {
  if (map.rank() == 1) return fmt::format("{}", map[0]);
  return fmt::format("{}x{}x{} -> {}x{}", map[0], map[1], map[2], grid, grid);
}

ProbeRow probe_block(SplitFeatures& f, size_t b, const HeldOutRows& rows, int classes,
                     const LinearOptions& linear) {
  if (!linear.batchnorm) standardize(f, b);
  const BlockFeatures& block = f.train.blocks[b];
  LinearClassifiers model = fit_linear(block.x, f.train.labels, classes, linear, rows.kept);
  std::vector<double> held_out = accuracies(model, block.x, f.train.labels, rows.held);
  const size_t rate = size_t(std::max_element(held_out.begin(), held_out.end()) - held_out.begin());
  ProbeRow row;
  row.block = block.block, row.map = block.map, row.grid = block.grid, row.dims = block.x.shape[1];
  row.rate = linear.rates[rate], row.held_out = held_out[rate];
  row.rate_at_edge = linear.rates.size() > 1 && (rate == 0 || rate + 1 == linear.rates.size());
  row.test = accuracies(model, f.test.blocks[b].x, f.test.labels)[rate];
  return row;
}

// Chooses the block and writes the protocol.
void conclude(Probe& probe, const ProbeOptions& options) {
  for (size_t i = 0; i < probe.rows.size(); ++i)
    if (probe.rows[i].held_out > probe.rows[probe.best].held_out) probe.best = i;
  const ProbeRow& best = probe.chosen();
  probe.protocol = fmt::format(
      "linear probe on frozen features; block {} ({}, {} numbers{}), maps averaged to "
      "at most {}x{} and {} numbers; {}, rate {:g} of {:g}{}; rate and block chosen on {} held-out "
      "training pictures; trained on {}, tested on {}; seed {}",
      best.block, grid_text(best.map, best.grid), best.dims,
      options.linear.batchnorm ? "" : ", standardised", options.pooling.most_grid,
      options.pooling.most_grid, options.pooling.most_dims, options.linear.describe(), best.rate,
      fmt::join(options.linear.rates, " "), best.rate_at_edge ? " (the edge of the sweep)" : "",
      probe.held_out, probe.trained_on, probe.tested_on, options.seed);
}

void add_rows(Probe& probe, SplitFeatures& features, const std::vector<std::string>& blocks,
              int classes, const ProbeOptions& options, const Say& say) {
  HeldOutRows rows = held_out_rows(int64_t(features.train.labels.size()), options.seed);
  probe.trained_on = int64_t(rows.kept.size()), probe.held_out = int64_t(rows.held.size());
  probe.tested_on = int64_t(features.test.labels.size());
  LinearOptions linear = options.linear;
  linear.seed = options.seed;
  for (const std::string& block : blocks) {
    probe.rows.push_back(probe_block(features, features.find(block), rows, classes, linear));
    if (say)
      say(fmt::format("linear probe of {}: {:.1f} % on held-out training pictures", block,
                      100 * probe.rows.back().held_out));
  }
}

}  // namespace

void check_labelled(const DatasetPtr& train, const DatasetPtr& test) {
  for (const DatasetPtr& data : {train, test})
    if (data->classes().empty())
      fail(ErrorKind::data, "evaluate: the data must have labels, got ", data->describe());
  if (train->classes() != test->classes())
    fail(ErrorKind::data, "evaluate: training and test split must have the same classes, got ",
         train->describe(), " and ", test->describe());
}

HeldOutRows held_out_rows(int64_t training_pictures, uint64_t seed) {
  const int64_t held = std::min<int64_t>(5000, (training_pictures + 5) / 10);
  check(held > 0, "evaluate: at least 5 training pictures are needed, got ", training_pictures);
  std::vector<int64_t> order =
      permutation(training_pictures, seed, Stream::subset, uint32_t(Choice::hold_out));
  HeldOutRows rows{{order.begin() + held, order.end()}, {order.begin(), order.begin() + held}};
  std::sort(rows.kept.begin(), rows.kept.end());
  std::sort(rows.held.begin(), rows.held.end());
  return rows;
}

void standardize(SplitFeatures& features, size_t block) {
  BlockFeatures &train = features.train.blocks[block], &test = features.test.blocks[block];
  if (train.standardized) return;
  Standardization s = statistics_of(train.x);
  standardize(train.x, s), standardize(test.x, s);
  train.standardized = test.standardized = true;
}

Probe linear_probe(SplitFeatures& features, const std::vector<std::string>& blocks, int classes,
                   const ProbeOptions& options) {
  Probe probe;
  add_rows(probe, features, blocks, classes, options, {});
  conclude(probe, options);
  return probe;
}

Probe linear_probe(const Subject& subject, const DatasetPtr& train, const DatasetPtr& test,
                   const ProbeOptions& options, const Say& say) {
  check_labelled(train, test);
  std::vector<std::string> blocks = options.blocks;
  if (blocks.empty()) blocks = subject.encoder->block_names();
  Probe probe;
  for (const auto& group :
       groups_in_memory(subject, train->size() + test->size(), blocks, options.pooling)) {
    if (say) say(fmt::format("features of {} pictures", train->size() + test->size()));
    SplitFeatures features = features_of(subject, train, test, group, options.pooling);
    if (probe.rows.empty())  // every pass over the pictures finds the same
      for (const Features* f : {&features.train, &features.test})
        probe.bad_files.insert(probe.bad_files.end(), f->bad_files.begin(), f->bad_files.end());
    add_rows(probe, features, group, int(train->classes().size()), options, say);
  }
  conclude(probe, options);
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

KnnResult knn_probe(const SplitFeatures& features, const std::string& block, int classes,
                    const KnnOptions& options) {
  const size_t b = features.find(block);
  const BlockFeatures &bank = features.train.blocks[b], &queries = features.test.blocks[b];
  check(!bank.standardized, "knn: features must be as the network put them out, got standardised");
  if (options.k > bank.x.shape[0])
    fail(ErrorKind::usage, "knn: k must be at most the ", bank.x.shape[0],
         " training pictures, got ", options.k);
  Neighbors found = nearest_neighbors(queries.x, bank.x, options.k);
  KnnResult result;
  result.block = block, result.dims = bank.x.shape[1];
  result.accuracy = accuracy_of(
      knn_vote(found, features.train.labels, classes, options.temperature), features.test.labels);
  result.protocol = fmt::format(
      "weighted kNN, cosine, k {}, temperature {:g}; block {} ({}, {} numbers); bank {} training "
      "pictures, tested on {}",
      options.k, options.temperature, block, grid_text(bank.map, bank.grid), result.dims,
      bank.x.shape[0], queries.x.shape[0]);
  return result;
}

}  // namespace autodidact
