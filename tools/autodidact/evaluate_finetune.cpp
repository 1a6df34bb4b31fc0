// autodidact evaluate finetune: the whole network fine-tuned by a few labels a class, beside the
// same network from scratch. The labelled pictures are those of few-labels' first draw.
#include <fmt/format.h>
#include <filesystem>
#include "tools/autodidact/command_line.h"
#include "tools/autodidact/evaluate.h"
#include "train/data/names.h"
#include "train/data/readable.h"
#include "train/signals.h"

namespace autodidact {

static void run_finetune(const Common& common, EvaluateOptions o) {
  std::error_code none;
  if (!o.overwrite && std::filesystem::exists(o.finetune.out, none))
    fail(ErrorKind::usage, "evaluate: --out ", printable(o.finetune.out),
         " is there already; name another folder, or --overwrite the runs in it");
  Judging j(common, o.subject);
  check_labelled(j.opened.train, j.opened.test);
  std::vector<BadFile> bad_files;
  auto readable = [&](const DatasetPtr& data) {
    return readable_pictures(data, j.opened.subject.bad_cap, bad_files);
  };
  const FinetuneData data{j.opened.data, readable(j.opened.train), readable(j.opened.test)};
  j.mention(bad_files);
  o.sets.seed = o.finetune.seed = uint64_t(o.split_seed), o.sets.draws = 1;
  if (o.overwrite) o.finetune.existing = RunDirectory::Existing::overwrite;
  const LabelledSets sets = labelled_sets(labels_of(*data.train), data.train->classes(), o.sets);
  std::string text = fmt::format("{} on {}\n", j.opened.subject.what, j.opened.data);
  auto object = j.facts("finetune", "");
  for (bool from_scratch : {false, true}) {
    o.finetune.from_scratch = from_scratch;
    Finetune curve =
        finetune(j.opened.loaded, o.subject.checkpoint, sets, data, o.finetune, j.say());
    if (curve.signal) std::exit(exit_code_of_signal(curve.signal));
    const char* name = from_scratch ? "scratch" : "finetune";
    text += fmt::format("  {:<14} {:>22}\n", "labels a class",
                        from_scratch ? "from scratch" : "fine-tuned");
    for (const FewLabelPoint& p : curve.points) {
      text += fmt::format("  {:<14} {:>20.1f} %\n", p.per_class, 100 * p.accuracy);
      object[name].push_back({{"per_class", p.per_class}, {"accuracy", p.accuracy}});
    }
    text += "protocol: " + curve.protocol + "\n";
    if (from_scratch) {
      object["scratch_protocol"] = curve.protocol;
    } else {
      object["protocol"] = curve.protocol;
      object["accuracy"] = curve.points.back().accuracy;
    }
  }
  print_result(common, text, object);
}

void add_finetune(CLI::App& evaluate, Common& common) {
  auto o = std::make_shared<EvaluateOptions>();
  CLI::App* c =
      add_judging(evaluate, "finetune",
                  "the whole network by a few labels a class, beside one from scratch", o, common);
  c->footer(
      "Examples:\n"
      "  autodidact evaluate finetune --checkpoint runs/rotation --out runs/few\n"
      "  autodidact evaluate finetune --checkpoint runs/rotation --labels 5,50 --images 50000 "
      "--out runs/few");
  add_label_options(*c, o);
  c->add_option("--out", o->finetune.out, "folder of the fine-tuning runs")->required();
  c->add_flag("--overwrite", o->overwrite, "start anew the runs that --out holds");
  c->add_option("--images", o->finetune.images, "pictures seen by each of these runs")
      ->check(CLI::Range(1, 1000000000))
      ->capture_default_str();
  c->add_option("--learning-rate", o->finetune.learning_rate,
                "of these runs (default: 0.05 by SGD; of a Vision Transformer 0.001 by AdamW)")
      ->check(positive_number());
  c->add_option("--set", o->finetune.set, "key=value over these runs' recipes")->take_all();
  c->callback([o, &common] { run_finetune(common, *o); });
}

}  // namespace autodidact
