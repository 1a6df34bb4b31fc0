// autodidact evaluate linear|knn|few-labels|finetune: what a network is worth, beside the protocol
// that the figure was measured by.
#include "tools/autodidact/evaluate.h"
#include <fmt/format.h>
#include "tools/autodidact/command_line.h"
#include "train/data/readable.h"

namespace autodidact {

using Json = nlohmann::ordered_json;

Judging::Judging(const Common& common, SubjectRequest request)
    : progress(common.quiet ? Loudness::quiet : Loudness::normal) {
  request.device = device_of(common, progress);
  opened = open_subject(request);
  if (!opened.notes.empty()) progress.say(opened.notes.substr(0, opened.notes.size() - 1));
}

void Judging::mention(const std::vector<BadFile>& bad_files) { warn_left_out(progress, bad_files); }

void Judging::mention(const SplitFeatures& f) {
  std::vector<BadFile> all = f.train.bad_files;
  all.insert(all.end(), f.test.bad_files.begin(), f.test.bad_files.end());
  mention(all);
}

Json Judging::facts(const std::string& what, const std::string& protocol) const {
  Json object =
      result_object("evaluate", opened.loaded.seed, device_name(opened.subject.device), protocol);
  object.update({{"what", what}, {"subject", opened.subject.what}, {"data", opened.data}});
  return object;
}

CLI::App* add_judging(CLI::App& evaluate, const char* name, const char* what,
                      const EvaluateOptionsPtr& o, Common& common) {
  CLI::App* c = evaluate.add_subcommand(name, what);
  c->add_option("--checkpoint", o->subject.checkpoint, "checkpoint or run directory")->required();
  c->add_option("--data", o->subject.data, "source of pictures with labels (default: the run's)");
  c->add_option("--test", o->subject.test, "source to test on (default: --data's test split)");
  c->add_option("--cap", o->subject.bad_cap,
                "damaged pictures that are left out, as a part of a split (default: the run's "
                "bad_cap)")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("PART");
  add_device(*c, common);
  add_common(*c, common);
  return c;
}

void add_feature_options(CLI::App& command, const EvaluateOptionsPtr& o) {
  command
      .add_option("--block", o->block,
                  "block of the network, `features` (its pooled output) or all")
      ->capture_default_str();
  command
      .add_option("--grid", o->pooling.most_grid, "maps are averaged to at most N x N; 1: globally")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command.add_option("--most-dims", o->pooling.most_dims, "and to at most N numbers")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  auto* untrained = command.add_flag("--untrained", o->subject.untrained,
                                     "the same network at its initial weights");
  command
      .add_option("--seed", o->subject.seed,
                  "of an untrained network's weights (default: the run's)")
      ->check(seed_number())
      ->needs(untrained);
}

static void add_split_seed(CLI::App& command, const EvaluateOptionsPtr& o) {
  command
      .add_option("--split-seed", o->split_seed, "of the held-out training pictures and the draws")
      ->check(seed_number())
      ->capture_default_str();
}

void add_linear_options(CLI::App& command, const EvaluateOptionsPtr& o) {
  command.add_option("--rates", o->linear.rates, "learning rates to try")
      ->delimiter(',')
      ->check(positive_number())
      ->capture_default_str();
  command.add_option("--epochs", o->linear.epochs, "of the probe")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  add_split_seed(command, o);
}

void add_label_options(CLI::App& command, const EvaluateOptionsPtr& o) {
  command.add_option("--labels", o->sets.per_class, "labels a class")
      ->delimiter(',')
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  if (!command.get_option_no_throw("--split-seed")) add_split_seed(command, o);
}

void add_evaluate(CLI::App& app, Common& common) {
  CLI::App* evaluate = app.add_subcommand("evaluate", "judge what a network has learned");
  evaluate->require_subcommand(1);
  evaluate->footer(
      "Examples:\n"
      "  autodidact evaluate linear --checkpoint runs/rotation --data cifar10:DIR\n"
      "  autodidact evaluate linear --checkpoint runs/rotation --untrained --seed 2\n"
      "  autodidact evaluate knn --checkpoint runs/rotation --k 20 --temperature 0.07\n"
      "  autodidact evaluate few-labels --checkpoint runs/rotation --labels 1,5,20\n"
      "  autodidact evaluate finetune --checkpoint runs/rotation --out runs/few");
  for (auto add : {add_linear, add_knn, add_few_labels, add_finetune}) add(*evaluate, common);
}

}  // namespace autodidact
