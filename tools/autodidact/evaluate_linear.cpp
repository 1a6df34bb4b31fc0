// autodidact evaluate linear: a linear probe of the frozen features, a table by block.
#include <fmt/format.h>
#include "tools/autodidact/evaluate.h"

namespace autodidact {

static void run_linear(const Common& common, const EvaluateOptions& o) {
  Judging j(common, o.subject);
  ProbeOptions options;
  if (o.block != "all") options.blocks = {o.block};
  options.pooling = o.pooling, options.linear = o.linear, options.seed = uint64_t(o.split_seed);
  Probe p = linear_probe(j.opened.subject, j.opened.train, j.opened.test, options, j.say());
  j.mention(p.bad_files);
  auto object = j.facts("linear", p.protocol);
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

void add_linear(CLI::App& evaluate, Common& common) {
  auto o = std::make_shared<EvaluateOptions>();
  o->block = "all";
  CLI::App* c = add_judging(evaluate, "linear", "linear probe, a table by block", o, common);
  c->footer(
      "Examples:\n"
      "  autodidact evaluate linear --checkpoint runs/rotation --data cifar10:DIR\n"
      "  autodidact evaluate linear --checkpoint runs/rotation --untrained --seed 2\n"
      "  autodidact evaluate linear --checkpoint runs/mae --block features --batchnorm");
  add_feature_options(*c, o);
  add_linear_options(*c, o);
  c->add_flag(
      "--batchnorm", o->linear.batchnorm,
      "BatchNorm without scale and shift before the classifier, as the masked autoencoder's "
      "paper (default: features standardised by all training pictures)");
  c->callback([o, &common] { run_linear(common, *o); });
}

}  // namespace autodidact
