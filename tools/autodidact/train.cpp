// autodidact train METHOD
#include <fmt/format.h>
#include <filesystem>
#include <memory>
#include "engine/memory.h"
#include "kernels/parallel.h"
#include "tools/autodidact/command.h"
#include "tools/autodidact/command_line.h"
#include "train/run.h"
#include "train/signals.h"

namespace autodidact {
namespace {

struct Options {
  std::string method, recipe, data, out, init, freeze, dtype, on_collapse, graph;
  std::vector<std::string> sets;
  int64_t seed = -1;
  bool resume = false, overwrite = false, dry = false, replay = true;
};

std::string out_of(const Options& o) { return o.out.empty() ? "runs/" + o.method : o.out; }

Recipe recipe_of(const Options& o) {
  // A run goes on with its own settings unless others are named.
  std::string own = o.resume && o.recipe.empty() ? out_of(o) + "/config.toml" : "";
  std::error_code none;
  Recipe recipe = std::filesystem::exists(own, none) ? Recipe(own)
                  : o.recipe.empty()                 ? Recipe()
                                                     : Recipe(o.recipe);
  for (const std::string& s : o.sets) recipe.set(s);
  for (auto& [key, value] : {std::pair<const char*, const std::string&>{"data", o.data},
                             {"init", o.init},
                             {"freeze", o.freeze},
                             {"dtype", o.dtype},
                             {"on_collapse", o.on_collapse}})
    if (!value.empty()) recipe.set(key, value);
  if (o.seed >= 0) recipe.set("seed", o.seed);
  return recipe;
}

void print_dry_run(const Common& common, const RunRequest& request) {
  DryRun d = dry_run(request);
  auto object = result_object("train", d.seed, device_name(request.device), d.resolved);
  object.update({{"dry_run", true},
                 {"method", request.method},
                 {"training_pictures", d.training_pictures},
                 {"test_pictures", d.test_pictures},
                 {"classes", d.classes},
                 {"refusal", d.refusal.empty() ? nullptr : nlohmann::ordered_json(d.refusal)},
                 {"parameters", d.parameters},
                 {"steps", d.steps},
                 {"peak_bytes", d.peak_bytes},
                 {"seconds_per_epoch", d.seconds_per_epoch}});
  print_result(
      common,
      fmt::format("{}{}{} parameters, {} steps\nat the peak {:.1f} MB of tensors\nabout {} "
                  "an epoch on {} threads\n\n{}",
                  d.refusal.empty() ? "" : "it would not begin: " + d.refusal + "\n", d.data,
                  d.parameters, d.steps, double(d.peak_bytes) / 1e6,
                  duration_text(d.seconds_per_epoch), thread_count(), d.resolved),
      object);
}

void run_train(const Common& common, const Options& o) {
  RunRequest request{o.method, recipe_of(o), out_of(o), RunDirectory::Existing::refuse, o.graph};
  if (o.resume) request.existing = RunDirectory::Existing::resume;
  if (o.overwrite) request.existing = RunDirectory::Existing::overwrite;
  Progress progress(common.quiet ? Loudness::quiet : Loudness::normal);
  request.device = device_of(common, progress);
  request.replay = o.replay ? Replay::always : Replay::never;
  if (o.dry) return print_dry_run(common, request);
  RunResult run = train_run(request, progress);
  const LoopResult& r = run.loop;
  const size_t peak = memory_peak(request.device);
  auto object = result_object("train", run.seed, device_name(request.device), run.resolved);
  object.update({{"method", o.method},
                 {"run", request.out},
                 {"steps", r.steps},
                 {"training_seconds", r.seconds},
                 {"images_per_second",
                  run.was_finished ? nullptr : nlohmann::ordered_json(r.images_per_second)},
                 {"was_finished", run.was_finished},
                 {"peak_bytes", peak}});
  std::string text =
      run.was_finished
          ? fmt::format("{}: was finished after {} steps; nothing is left to do\n", request.out,
                        r.steps)
          : fmt::format(
                "{}: {} steps in {}, {:.0f} pictures a second, {:.0f} MB of tensors at the peak\n",
                request.out, r.steps, duration_text(r.seconds), r.images_per_second,
                double(peak) / 1e6);
  for (auto& [name, value] : r.last) {
    object[name] = value;
    text += fmt::format("  {:<16} {:.4f}\n", name, value);
  }
  print_result(common, text, object);
  if (r.signal) std::exit(exit_code_of_signal(r.signal));
}

}  // namespace

void add_train(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  const std::string methods = fmt::format("{}", fmt::join(method_names(), ", "));
  CLI::App* c = app.add_subcommand("train", "train a network: " + methods);
  c->footer(
      "Examples:\n"
      "  autodidact train rotation --recipe rotation-world-quick --out runs/rotation\n"
      "  autodidact train rotation --data cifar10:DIR --recipe rotation-cifar10-quick --out "
      "runs/r\n"
      "  autodidact train moco --data photos/ --set image_size=96 --on-collapse stop --out runs/m\n"
      "  autodidact train supervised --data photos/ --init runs/r --set labels_per_class=20 --set "
      "batch_size=32 --out runs/few\n"
      "  autodidact train rotation --resume --out runs/rotation");
  c->add_option("METHOD", o->method, methods)->required();
  c->add_option("--recipe", o->recipe,
                "a recipe inside the program (`autodidact recipes`) or a TOML file");
  c->add_option("--data", o->data, "source of pictures");
  c->add_option("--out", o->out, "run directory (default: runs/METHOD)");
  c->add_option("--set", o->sets, "key=value over the recipe; may be given many times")->take_all();
  c->add_option(
      "--init", o->init,
      "checkpoint or run whose encoder to start from; its network, picture size and picture "
      "keys hold where nothing else is set");
  c->add_option("--freeze", o->freeze, "none or encoder");
  c->add_option(
      "--dtype", o->dtype,
      "f32, or bf16: activations and weights of half the bytes; sums and master weights are f32");
  c->add_option("--on-collapse", o->on_collapse,
                "contrastive methods whose embeddings have all become one: warn or stop (exit 4)");
  c->add_option("--seed", o->seed, "of initial weights, order and augmentation")
      ->check(seed_number());
  c->add_option("--graph", o->graph, "write the first step's tape to this file, for Graphviz");
  auto* resume = c->add_flag("--resume", o->resume, "go on where the run in --out stopped");
  c->add_flag("--overwrite", o->overwrite, "start anew in an existing run directory")
      ->excludes(resume);
  c->add_flag("--dry-run", o->dry, "say what would happen: data, parameters, memory, time");
  c->add_flag("!--no-capture", o->replay,
              "on a GPU, launch every kernel of every step instead of replaying a captured step");
  add_device(*c, common);
  add_common(*c, common);
  c->callback([o, &common] { run_train(common, *o); });
}

}  // namespace autodidact
