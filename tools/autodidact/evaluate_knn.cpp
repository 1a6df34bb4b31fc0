// autodidact evaluate knn: weighted nearest neighbours of the frozen features.
#include <fmt/format.h>
#include "tools/autodidact/command_line.h"
#include "tools/autodidact/evaluate.h"
#include "train/evaluate/neighbor_grid.h"

namespace autodidact {

static void run_knn(const Common& common, const EvaluateOptions& o) {
  Judging j(common, o.subject);
  const Subject& subject = j.opened.subject;
  std::vector<std::string> blocks = {o.block};
  if (o.block == "all") {
    blocks = subject.encoder->block_names();
    blocks.push_back(kPooled);
  }
  check_labelled(j.opened.train, j.opened.test);
  std::string text;
  auto results = nlohmann::ordered_json::array();
  KnnResult result;  // the last: the network's output is the figure where all blocks are asked for
  for (const auto& group : groups_in_memory(subject, j.opened.train->size() + j.opened.test->size(),
                                            blocks, o.pooling)) {
    SplitFeatures f = features_of(subject, j.opened.train, j.opened.test, group, o.pooling);
    if (results.empty()) j.mention(f);
    for (const std::string& block : group) {
      result = knn_probe(f, block, j.classes(), o.knn);
      text += fmt::format("  {:<10} {:>6} {:>6.1f} %\n", block, result.dims, 100 * result.accuracy);
      results.push_back({{"block", block}, {"dims", result.dims}, {"accuracy", result.accuracy}});
    }
    if (!o.picture.empty() && group.back() == blocks.back())
      draw(o.picture,
           neighbor_grid(subject.what, f, group.back(), pictures_of(f.train, j.opened.train),
                         pictures_of(f.test, j.opened.test)));
  }
  auto object = j.facts("knn", result.protocol);
  object["accuracy"] = result.accuracy;
  object["block"] = result.block;
  object["results"] = results;
  if (!o.picture.empty()) object["picture"] = o.picture;
  print_result(
      common,
      fmt::format("{} on {}: {:.1f} % (block {})\n{}protocol: {}\n{}", subject.what, j.opened.data,
                  100 * result.accuracy, result.block, blocks.size() > 1 ? text : "",
                  result.protocol, o.picture.empty() ? "" : "picture: " + o.picture + "\n"),
      object);
}

void add_knn(CLI::App& evaluate, Common& common) {
  auto o = std::make_shared<EvaluateOptions>();
  o->block = kPooled;
  CLI::App* c = add_judging(evaluate, "knn", "weighted nearest neighbours", o, common);
  c->footer(
      "Examples:\n"
      "  autodidact evaluate knn --checkpoint runs/rotation --k 20 --temperature 0.07\n"
      "  autodidact evaluate knn --checkpoint runs/rotation --picture neighbours.png");
  add_feature_options(*c, o);
  c->add_option("--k", o->knn.k, "neighbours")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  c->add_option("--temperature", o->knn.temperature, "of the votes, exp(cosine / T)")
      ->check(positive_number())
      ->capture_default_str();
  c->add_option("--picture", o->picture, "draw the neighbours of ten test pictures (.png, .svg)");
  c->callback([o, &common] { run_knn(common, *o); });
}

}  // namespace autodidact
