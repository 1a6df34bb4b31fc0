// autodidact adapt: test-time training on a stream of pictures, or BatchNorm's adaptation, beside
// the same network frozen.
#include <fmt/format.h>
#include <memory>
#include "tools/autodidact/command.h"
#include "train/signals.h"
#include "ttt/adaptation.h"
#include "ttt/figures.h"

namespace autodidact {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string checkpoint, out = "runs/adapt";
  Recipe recipe;
  std::vector<std::string> sets;
  bool resume = false, overwrite = false;
  int64_t side_by_side = 0;
};

void run_adapt(const Common& common, Options& o) {
  Progress progress(common.quiet ? Loudness::quiet : Loudness::normal);
  for (const std::string& s : o.sets) o.recipe.set(s);
  AdaptRequest request{o.checkpoint, o.recipe, o.out, RunDirectory::Existing::refuse};
  if (o.resume) request.existing = RunDirectory::Existing::resume;
  if (o.overwrite) request.existing = RunDirectory::Existing::overwrite;
  request.device = device_of(common, progress);
  request.side_by_side = o.side_by_side;
  const AdaptRun run = adapt_run(request, progress);
  if (run.signal) {
    progress.warn("stopped by a signal; finished streams are kept: go on with --resume");
    std::exit(exit_code_of_signal(run.signal));
  }
  Json object = result_object("adapt", run.keys.seed, device_name(request.device), run.protocol);
  std::string text = fmt::format("{:<22} {:>8} {:>8} {:>8}  {}\n", "corruption", "frozen",
                                 run.keys.mode, "change", "95 % interval of the change");
  for (const NamedStream& s : run.streams) {
    const StreamResult& r = s.result;
    const Interval none = error_of(r.frozen), now = error_of(r.adapted),
                   change = difference(r.adapted, r.frozen);
    text += fmt::format("{:<22} {:>7.1f}% {:>7.1f}% {:>+8.1f}  {:+.1f} to {:+.1f}\n", s.corruption,
                        none.value, now.value, change.value, change.value - change.half,
                        change.value + change.half);
    Json row;
    for (auto& fact : facts_of(s))
      std::visit([&](auto& value) { row[fact.first] = value; }, fact.second);
    object["results"].push_back(row);
  }
  const std::vector<StreamResult> results = run.results();
  const Errors errors = mean_errors(results);
  const Interval mean = mean_difference(results);
  if (results.size() > 1)
    text += fmt::format("{:<22} {:>7.1f}% {:>7.1f}% {:>+8.1f}  {:+.1f} to {:+.1f}\n", "mean",
                        errors.frozen, errors.adapted, mean.value, mean.value - mean.half,
                        mean.value + mean.half);
  object.update({{"run", o.out},
                 {"error", errors.adapted},
                 {"error_none", errors.frozen},
                 {"difference", mean.value},
                 {"half_interval", mean.half},
                 {"samples", results[0].adapted.size()},
                 {"seconds_per_sample", run.seconds_per_sample}});
  if (const auto c = gradient_correlation(run)) {
    object["gradient_correlation"] = {{"r", c->r}, {"streams", c->streams}};
    text +=
        "inner product of the two losses' gradients and the error taken away: " + c->text() + "\n";
  }
  object["pictures"] = run.pictures;
  if (const auto& times = run.batch_seconds; !times.empty()) {
    Json latency;
    for (int part : {50, 90, 99, 100}) {
      const size_t rank = (times.size() - 1) * size_t(part) / 100;  // of the sorted
      latency["p" + std::to_string(part)] = times[rank];
    }
    object["batch_seconds"] = latency;
    object["side_by_side"] = run.side_by_side;
    auto ms = [&](const char* part) { return 1000 * latency[part].get<double>(); };
    text += fmt::format(
        "{:.1f} ms a picture, {} at a time; a batch learned from and answered in {:.1f} ms "
        "(median), "
        "{:.1f} (90 %), {:.1f} (99 %), {:.1f} at most\n",
        1000 * run.seconds_per_sample, run.side_by_side, ms("p50"), ms("p90"), ms("p99"),
        ms("p100"));
  }
  print_result(common, text + "protocol: " + run.protocol + "\n", object);
}

}  // namespace

void add_adapt(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand(
      "adapt", "test-time training on a stream of pictures, and what it is compared with");
  c->footer(
      "Examples:\n"
      "  autodidact adapt --checkpoint runs/ttt --corruption all:5 --mode online --samples 1000\n"
      "  autodidact adapt --checkpoint runs/ttt --corruption fog:5 --mode standard --steps 10\n"
      "  autodidact adapt --checkpoint runs/ttt --corruption gaussian_noise:5 --gradual\n"
      "  autodidact adapt --checkpoint runs/ttt --corruption all:5 --in-turn --order by_label\n"
      "  autodidact adapt --checkpoint runs/ttt --corruption all --mode standard --gradients\n"
      "  autodidact adapt --checkpoint runs/bn --corruption all:5 --method tent --batch 200\n"
      "  autodidact adapt --checkpoint runs/ttt --data photos/ --mode none");
  c->add_option("--checkpoint", o->checkpoint,
                "checkpoint or run of `train ttt`; of another method for bn, tent, pseudo_label")
      ->required();
  // Each is a key of the run's config.toml, which says what it means.
  auto text = [&](const char* option, const char* key, const char* meaning) {
    c->add_option_function<std::string>(
        option, [o, key](const std::string& v) { o->recipe.set(key, v); }, meaning);
  };
  auto whole = [&](const char* option, const char* key, const char* meaning) {
    c->add_option_function<int64_t>(
        option, [o, key](const int64_t& v) { o->recipe.set(key, v); }, meaning);
  };
  auto real = [&](const char* option, const char* key, const char* meaning) {
    c->add_option_function<double>(
        option, [o, key](const double& v) { o->recipe.set(key, v); }, meaning);
  };
  text("--data", "data", "source of labelled pictures (default: the run's test split)");
  text("--corruption", "corruption", "none, NAME[:SEVERITY], all, extra, or a list with commas");
  text("--frost", "frost", "folder of frost textures in place of the procedural ones");
  text("--method", "method",
       "ttt (the self-supervised task); of BatchNorm: bn, tent, pseudo_label");
  text("--mode", "mode", "none, standard (all restored after each batch), online (kept)");
  whole("--steps", "steps", "a batch, of SGD or Adam (1)");
  real("--learning-rate", "learning_rate", "of these steps (0.001)");
  whole("--copies", "copies", "of each picture a step (32)");
  text("--rotations", "rotations", "of the copies: random, or all four turns");
  text("--part", "part", "what learns: all, shared, norms");
  real("--threshold", "threshold", "learn only where upright has less probability (1: always)");
  real("--prior", "prior", "of bn: how many pictures the statistics before count as (16)");
  real("--confidence", "confidence", "of pseudo_label: least probability of an answer (0.9)");
  whole("--batch", "batch", "pictures that arrive at a time (1)");
  whole("--samples", "samples", "pictures of the stream, chosen by the seed (all)");
  text("--order", "order", "of the stream: shuffled, in_order, by_label");
  whole("--seed", "seed", "of the choice of pictures, the corruptions and the copies");
  c->add_flag_callback(
      "--gradual", [o] { o->recipe.set("gradual", true); },
      "the severity grows from 1 along the stream");
  c->add_flag_callback(
      "--in-turn", [o] { o->recipe.set("in_turn", true); },
      "the corruptions follow one another in one stream (continual adaptation)");
  c->add_flag_callback(
      "--gradients", [o] { o->recipe.set("gradients", true); },
      "also measure how far the gradients of both losses agree, beside the gain");
  c->add_option("--set", o->sets, "key=value for a key of config.toml: the rails, for one")
      ->take_all();
  c->add_option(
       "--side-by-side", o->side_by_side,
       "batches that mode standard adapts to at a time, with the same results (one a thread)")
      ->check(CLI::Range(int64_t(1), int64_t(1024)));
  c->add_option("--out", o->out, "run directory")->capture_default_str();
  auto* resume = c->add_flag("--resume", o->resume, "go on where the run in --out stopped");
  c->add_flag("--overwrite", o->overwrite, "start anew in an existing run directory")
      ->excludes(resume);
  add_device(*c, common);
  add_common(*c, common);
  c->callback([o, &common] { run_adapt(common, *o); });
}

}  // namespace autodidact
