// autodidact evaluate linear|knn|few-labels: what a frozen network's features are worth, beside the
// protocol that the figure was measured by.
#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <memory>
#include "tools/autodidact/command.h"
#include "train/evaluate/few_labels.h"
#include "train/evaluate/neighbor_grid.h"
#include "train/evaluate/subject.h"

namespace autodidact {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  SubjectRequest subject;
  std::string block;
  Pooling pooling;
  LinearOptions linear;
  KnnOptions knn;
  std::string picture;
  std::vector<int64_t> per_class = {1, 5, 20, 100};
  FinetuneOptions finetune;
  bool with_finetuning = false;
  int64_t split_seed = 1;
};

// Times a command, opens what it judges and says how it goes.
struct Judging {
  Progress progress;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  OpenedSubject opened;

  Judging(const Common& common, SubjectRequest request)
      : progress(common.quiet ? Loudness::quiet : Loudness::normal) {
    request.device = device_of(common, progress);
    opened = open_subject(request);
    if (!opened.notes.empty()) progress.say(opened.notes.substr(0, opened.notes.size() - 1));
  }
  Say say() {
    return [this](const std::string& line) { progress.say(line); };
  }
  void mention(const std::vector<BadFile>& bad_files) {
    for (const BadFile& b : bad_files) progress.warn(b.reason + ": another picture took its place");
  }
  Json facts(const std::string& what, const std::string& protocol) const {
    double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return {{"command", "evaluate"},
            {"what", what},
            {"subject", opened.subject.what},
            {"data", opened.data},
            {"seed", opened.seed},
            {"seconds", seconds},
            {"device", device_name(opened.subject.device)},
            {"protocol", protocol}};
  }
};

void run_linear(const Common& common, const Options& o) {
  Judging j(common, o.subject);
  ProbeOptions options;
  if (o.block != "all") options.blocks = {o.block};
  options.pooling = o.pooling, options.linear = o.linear, options.seed = uint64_t(o.split_seed);
  Probe p = linear_probe(j.opened.subject, j.opened.train, j.opened.test, options, j.say());
  j.mention(p.bad_files);
  Json object = j.facts("linear", p.protocol);
  object["accuracy"] = p.chosen().test;
  object["block"] = p.chosen().block;
  for (const ProbeRow& r : p.rows)
    object["results"].push_back({{"block", r.block},
                                 {"grid", r.grid},
                                 {"dims", r.dims},
                                 {"rate", r.rate},
                                 {"held_out_accuracy", r.held_out},
                                 {"accuracy", r.test}});
  print_result(
      common,
      fmt::format("{} on {}: {:.1f} % (block {})\n{}protocol: {}\n", j.opened.subject.what,
                  j.opened.data, 100 * p.chosen().test, p.chosen().block, p.table(), p.protocol),
      object);
}

void run_knn(const Common& common, const Options& o) {
  Judging j(common, o.subject);
  const Subject& subject = j.opened.subject;
  std::vector<std::string> blocks = {o.block};
  if (o.block == "all") {
    blocks = subject.encoder->block_names();
    blocks.push_back(kPooled);
  }
  check_labelled(j.opened.train, j.opened.test);
  const int classes = int(j.opened.train->classes().size());
  std::string text;
  Json results = Json::array();
  KnnResult result;  // the last: the network's output is the figure where all blocks are asked for
  for (const auto& group : groups_in_memory(subject, j.opened.train->size() + j.opened.test->size(),
                                            blocks, o.pooling)) {
    SplitFeatures f = features_of(subject, j.opened.train, j.opened.test, group, o.pooling);
    j.mention(f.train.bad_files), j.mention(f.test.bad_files);
    for (const std::string& block : group) {
      result = knn_probe(f, block, classes, o.knn);
      text += fmt::format("  {:<10} {:>6} {:>6.1f} %\n", block, result.dims, 100 * result.accuracy);
      results.push_back({{"block", block}, {"dims", result.dims}, {"accuracy", result.accuracy}});
    }
    if (!o.picture.empty() && group.back() == blocks.back())
      draw(o.picture, neighbor_grid(subject.what, f, group.back(), j.opened.train, j.opened.test));
  }
  Json object = j.facts("knn", result.protocol);
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

void run_few_labels(const Common& common, const Options& o) {
  Judging j(common, o.subject);
  FewLabelProbeOptions options;
  options.per_class = o.per_class, options.linear = o.linear;
  options.block = o.block, options.seed = uint64_t(o.split_seed);
  if (o.block == "all") {
    ProbeOptions all;
    all.pooling = o.pooling, all.linear = o.linear, all.seed = options.seed;
    Probe p = linear_probe(j.opened.subject, j.opened.train, j.opened.test, all, j.say());
    j.mention(p.bad_files);
    options.block = p.chosen().block;
  }
  check_labelled(j.opened.train, j.opened.test);
  SplitFeatures f =
      features_of(j.opened.subject, j.opened.train, j.opened.test, {options.block}, o.pooling);
  j.mention(f.train.bad_files), j.mention(f.test.bad_files);
  FewLabelProbe probe = few_label_probe(f, int(j.opened.train->classes().size()), options);
  Json object = j.facts("few-labels", probe.protocol);
  object["block"] = options.block;
  std::string text = fmt::format("{} on {}\n  {:<14} {:>22}\n", j.opened.subject.what,
                                 j.opened.data, "labels a class", "linear probe");
  for (const FewLabelPoint& p : probe.points) {
    text += fmt::format("  {:<14} {:>12.1f} % +- {:>4.1f}\n", p.per_class, 100 * p.accuracy,
                        100 * p.spread);
    object["linear"].push_back(
        {{"per_class", p.per_class}, {"accuracy", p.accuracy}, {"spread", p.spread}});
  }
  if (!probe.points.empty()) object["accuracy"] = probe.points.back().accuracy;
  text += "protocol: " + probe.protocol + "\n";
  if (o.with_finetuning)
    for (bool from_scratch : {false, true}) {
      FinetuneOptions tuning = o.finetune;
      tuning.per_class.clear();
      for (const FewLabelPoint& p : probe.points) tuning.per_class.push_back(p.per_class);
      tuning.from_scratch = from_scratch, tuning.seed = options.seed;
      Finetune curve =
          finetune(j.opened.loaded, o.subject.checkpoint, j.opened.data, tuning, j.say());
      const char* name = from_scratch ? "scratch" : "finetune";
      text += fmt::format("  {:<14} {:>22}\n", "labels a class",
                          from_scratch ? "from scratch" : "fine-tuned");
      for (const FewLabelPoint& p : curve.points) {
        text += fmt::format("  {:<14} {:>20.1f} %\n", p.per_class, 100 * p.accuracy);
        object[name].push_back({{"per_class", p.per_class}, {"accuracy", p.accuracy}});
      }
      text += "protocol: " + curve.protocol + "\n";
      object[std::string(name) + "_protocol"] = curve.protocol;
    }
  print_result(common, text, object);
}

CLI::App* add_judging(CLI::App& evaluate, const char* name, const char* what,
                      const std::shared_ptr<Options>& o, Common& common) {
  CLI::App* c = evaluate.add_subcommand(name, what);
  c->add_option("--checkpoint", o->subject.checkpoint, "checkpoint or run directory")->required();
  c->add_option("--data", o->subject.data, "source of pictures with labels (default: the run's)");
  c->add_option("--test", o->subject.test, "source to test on (default: --data's test split)");
  c->add_option("--block", o->block, "block of the network, `features` (its pooled output) or all")
      ->capture_default_str();
  c->add_option("--grid", o->pooling.most_grid, "maps are averaged to at most N x N; 1: globally")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  c->add_option("--most-dims", o->pooling.most_dims, "and to at most N numbers")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  c->add_flag("--untrained", o->subject.untrained, "the same network at its initial weights");
  c->add_option("--seed", o->subject.seed,
                "of an untrained network's weights (default: the run's)");
  add_device(*c, common);
  add_common(*c, common);
  return c;
}

void add_linear_options(CLI::App* c, const std::shared_ptr<Options>& o) {
  c->add_option("--rates", o->linear.rates, "learning rates to try")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  c->add_option("--epochs", o->linear.epochs, "of the probe")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  c->add_option("--split-seed", o->split_seed, "of the held-out training pictures")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

void add_evaluate(CLI::App& app, Common& common) {
  CLI::App* evaluate = app.add_subcommand("evaluate", "judge a network's frozen features");
  evaluate->require_subcommand(1);
  evaluate->footer(
      "Examples:\n"
      "  autodidact evaluate linear --checkpoint runs/rotation --data cifar10:DIR\n"
      "  autodidact evaluate linear --checkpoint runs/rotation --untrained --seed 2\n"
      "  autodidact evaluate knn --checkpoint runs/rotation --k 20 --temperature 0.07\n"
      "  autodidact evaluate few-labels --checkpoint runs/rotation --finetune --out runs/few");

  auto linear = std::make_shared<Options>();
  linear->block = "all";
  CLI::App* c = add_judging(*evaluate, "linear", "linear probe, a table by block", linear, common);
  add_linear_options(c, linear);
  c->callback([linear, &common] { run_linear(common, *linear); });

  auto knn = std::make_shared<Options>();
  knn->block = kPooled;
  c = add_judging(*evaluate, "knn", "weighted nearest neighbours", knn, common);
  c->add_option("--k", knn->knn.k, "neighbours")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  c->add_option("--temperature", knn->knn.temperature, "of the votes, exp(cosine / T)")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  c->add_option("--picture", knn->picture, "draw the neighbours of ten test pictures (.png, .svg)");
  c->callback([knn, &common] { run_knn(common, *knn); });

  auto few = std::make_shared<Options>();
  few->block = "all";
  c = add_judging(*evaluate, "few-labels", "the curve over labels a class", few, common);
  add_linear_options(c, few);
  c->add_option("--labels", few->per_class, "labels a class")
      ->delimiter(',')
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  auto* finetuning = c->add_flag("--finetune", few->with_finetuning,
                                 "also fine-tune the whole network, and train it from scratch");
  c->add_option("--out", few->finetune.out, "folder of the fine-tuning runs")->needs(finetuning);
  finetuning->needs("--out");
  c->add_option("--images", few->finetune.images, "pictures seen by each of these runs")
      ->check(CLI::Range(1, 1000000000))
      ->capture_default_str();
  c->add_option("--learning-rate", few->finetune.learning_rate, "of these runs")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  c->callback([few, &common] { run_few_labels(common, *few); });
}

}  // namespace autodidact
