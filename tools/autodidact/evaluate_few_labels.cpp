// autodidact evaluate few-labels: linear probes of the frozen features by a few labels a class.
#include <fmt/format.h>
#include "tools/autodidact/evaluate.h"

namespace autodidact {

static void run_few_labels(const Common& common, EvaluateOptions o) {
  Judging j(common, o.subject);
  check_labelled(j.opened.train, j.opened.test);
  o.sets.seed = uint64_t(o.split_seed);
  // A count that a class cannot give is refused before the work; damaged pictures are found in it.
  labelled_sets(labels_of(*j.opened.train), j.opened.train->classes(), o.sets);
  FewLabelProbeOptions options;
  options.linear = o.linear, options.block = o.block;
  if (o.block == "all") {
    ProbeOptions all;
    all.pooling = o.pooling, all.linear = o.linear, all.seed = o.sets.seed;
    options.block =
        linear_probe(j.opened.subject, j.opened.train, j.opened.test, all, j.say()).chosen().block;
  }
  SplitFeatures f =
      features_of(j.opened.subject, j.opened.train, j.opened.test, {options.block}, o.pooling);
  j.mention(f);
  const LabelledSets sets = labelled_sets(f.train.labels, j.opened.train->classes(), o.sets);
  FewLabelProbe probe = few_label_probe(f, j.classes(), sets, options);
  if (o.block == "all")
    probe.protocol += "; block chosen on the held-out pictures, by a probe of all other labels";
  auto object = j.facts("few-labels", probe.protocol);
  object["block"] = options.block;
  std::string text = fmt::format("{} on {}\n  {:<14} {:>22}\n", j.opened.subject.what,
                                 j.opened.data, "labels a class", "linear probe");
  for (const FewLabelPoint& p : probe.points) {
    text += fmt::format("  {:<14} {:>12.1f} % +- {:>4.1f}\n", p.per_class, 100 * p.accuracy,
                        100 * p.spread);
    object["linear"].push_back(
        {{"per_class", p.per_class}, {"accuracy", p.accuracy}, {"spread", p.spread}});
  }
  object["accuracy"] = probe.points.back().accuracy;
  print_result(common, text + "protocol: " + probe.protocol + "\n", object);
}

void add_few_labels(CLI::App& evaluate, Common& common) {
  auto o = std::make_shared<EvaluateOptions>();
  o->block = "all";
  CLI::App* c =
      add_judging(evaluate, "few-labels", "linear probes by a few labels a class", o, common);
  c->footer(
      "Examples:\n"
      "  autodidact evaluate few-labels --checkpoint runs/rotation --labels 1,5,20\n"
      "  autodidact evaluate few-labels --checkpoint runs/rotation --untrained --block layer2");
  add_feature_options(*c, o);
  add_linear_options(*c, o);
  add_label_options(*c, o);
  c->callback([o, &common] { run_few_labels(common, *o); });
}

}  // namespace autodidact
