// autodidact demo: the main job on the built-in world, from pictures without labels to a judged
// representation, in minutes. Everything it does is a call that a user can make.
#include <fmt/format.h>
#include <chrono>
#include <filesystem>
#include <memory>
#include "engine/durable_file.h"
#include "tools/autodidact/command.h"
#include "tools/autodidact/command_line.h"
#include "tools/autodidact/demo_adapting.h"
#include "tools/autodidact/demo_pictures.h"
#include "train/evaluate/neighbor_grid.h"
#include "train/evaluate/subject.h"
#include "train/signals.h"
#include "ttt/figures.h"

namespace autodidact {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string out;
  double minutes = 6;
  bool overwrite = false;
  int64_t seed = 1;
};

// Sizes that take so many minutes on 2 cores of the AVX2 class, half of them for test-time
// training; fewer minutes see fewer pictures. What is computed depends on --minutes, not on the
// clock: the same figures on any machine of a CPU class.
struct Plan {
  int64_t epochs, finetune_images;
  double adapting_minutes;
  std::vector<int64_t> per_class = {5, 20, 100};
  explicit Plan(double minutes)
      : epochs(std::llround(minutes * 10 / 6)),
        finetune_images(std::llround(minutes * 8000 / 6)),
        adapting_minutes(minutes / 2) {}
};

struct Judged {  // one network
  Probe probe;
  KnnResult knn;
  LabelledSets sets;
  FewLabelProbe few;
  FinetuneData pictures;
};

// Of the demo's own folder and the runs in it.
RunDirectory::Existing existing_of(const Options& o) {
  return o.overwrite ? RunDirectory::Existing::overwrite : RunDirectory::Existing::refuse;
}

struct Demo {
  const Options& options;
  const Plan plan;
  RunDirectory run;
  Progress progress;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  std::vector<std::string> pictures = {};

  std::string pretext() const { return run.file("rotation"); }
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  void act(int number, const std::string& what) {
    progress.say(fmt::format("[{}/5] {} ({} so far)", number, what, duration_text(seconds())));
  }
  template <class Drawing>
  void picture(const std::string& name, const Drawing& drawing) {
    pictures.push_back(run.picture(name));
    draw(pictures.back(), drawing);
  }

  Recipe recipe() const {
    Recipe r("rotation-world-demo");
    r.set("epochs", plan.epochs);
    r.set("warmup_epochs", double(plan.epochs) / 10);  // the recipe's share of the run
    r.set("evaluate_every", (plan.epochs + 1) / 2);
    r.set("seed", options.seed);
    return r;
  }

  Judged judge(bool untrained, const std::string& block) {
    SubjectRequest request;
    request.checkpoint = pretext(), request.untrained = untrained;
    OpenedSubject o = open_subject(request);
    // One pass over the pictures serves everything that is asked of the network.
    std::vector<std::string> blocks = o.subject.encoder->block_names(), all = blocks;
    all.push_back(kPooled);
    SplitFeatures f = features_of(o.subject, o.train, o.test, all, {});
    const int classes = int(o.train->classes().size());
    Judged j;
    j.pictures = {o.data, pictures_of(f.train, o.train), pictures_of(f.test, o.test)};
    j.knn = knn_probe(f, kPooled, classes, {});
    picture(untrained ? "neighbours-untrained.png" : "neighbours-learned.png",
            neighbor_grid(o.subject.what, f, kPooled, j.pictures.train, j.pictures.test));
    j.probe = linear_probe(f, blocks, classes, {});
    j.sets = labelled_sets(f.train.labels, o.train->classes(),
                           {.per_class = plan.per_class, .draws = 3});
    FewLabelProbeOptions few;
    few.block = block.empty() ? j.probe.chosen().block : block;
    j.few = few_label_probe(f, classes, j.sets, few);
    progress.say(fmt::format("  {}: linear probe {:.1f} %, nearest neighbours {:.1f} %",
                             untrained ? "untrained" : "learned", 100 * j.probe.chosen().test,
                             100 * j.knn.accuracy));
    return j;
  }
};

std::string percent(double part) { return fmt::format("{:.1f} %", 100 * part); }

std::string curve_row(const std::string& name, const std::vector<FewLabelPoint>& points) {
  std::string text = fmt::format("  {:<34}", name);
  for (const FewLabelPoint& p : points) text += fmt::format("{:>9}", percent(p.accuracy));
  return text + "\n";
}

std::string gain_row(const std::string& name, double untrained, double learned) {
  return fmt::format("  {:<34}{:>9}{:>9}   {:+.1f} points\n", name, percent(untrained),
                     percent(learned), 100 * (learned - untrained));
}

Json points_of(const std::vector<FewLabelPoint>& points) {
  Json list = Json::array();
  for (const FewLabelPoint& p : points)
    list.push_back({{"per_class", p.per_class}, {"accuracy", p.accuracy}});
  return list;
}

Json adapting_facts(const AdaptingAct& act) {
  Json rows = Json::array();
  for (const NamedStream& s : act.adapted.streams)
    rows.push_back({{"corruption", s.corruption},
                    {"error_none", error_of(s.result.frozen).value},
                    {"error", error_of(s.result.adapted).value}});
  const Errors mean = mean_errors(act.adapted.results());
  const Interval change = act.change();
  return {
      {"accuracy", act.accuracy}, {"rotation_accuracy", act.turns}, {"error_none", mean.frozen},
      {"error", mean.adapted},    {"difference", change.value},     {"half_interval", change.half},
      {"results", rows}};
}

std::string next_free_folder() {
  std::string name = "runs/demo";
  for (int i = 2; std::filesystem::exists(name); ++i) name = fmt::format("runs/demo-{}", i);
  return name;
}

void run_demo(const Common& common, const Options& o) {
  Demo demo{o, Plan(o.minutes),
            RunDirectory(o.out.empty() ? next_free_folder() : o.out, existing_of(o)),
            Progress(common.quiet ? Loudness::quiet : Loudness::normal)};
  Progress& progress = demo.progress;
  demo.run.remove_overwritten();
  progress.log_to(demo.run.file("log.txt"));
  demo.run.write_environment();

  demo.act(1, fmt::format("learn to tell rotations of pictures without labels, {} epochs",
                          demo.plan.epochs));
  Recipe recipe = demo.recipe();
  RunResult trained = train_run({"rotation", recipe, demo.pretext(), existing_of(o), {}}, progress);
  if (trained.loop.signal) std::exit(exit_code_of_signal(trained.loop.signal));
  demo.run.write("config.toml", trained.resolved);
  double rotation = 0;
  for (auto& [name, value] : trained.loop.last)
    if (name == "test_accuracy") rotation = value;
  progress.say(fmt::format("  rotation told right on unseen pictures: {}", percent(rotation)));

  SubjectRequest request;
  request.checkpoint = demo.pretext();
  OpenedSubject learned_subject = open_subject(request);
  Recipe drawn = demo.recipe();  // read once more, for its augmentation alone
  demo.picture("samples.png", augmented_samples(learned_subject.train, augmentation_of(drawn),
                                                learned_subject.loaded.side));
  demo.picture("learning-curves.png",
               learning_curves((std::filesystem::path(demo.pretext()) / "metrics.jsonl").string()));

  demo.act(2, "judge its features, beside those of the same network untrained");
  Judged learned = demo.judge(false, "");
  Judged untrained = demo.judge(true, learned.probe.chosen().block);

  demo.act(3, "fine-tune it with few labels, beside the same network from scratch");
  FinetuneOptions f;
  f.images = demo.plan.finetune_images, f.seed = uint64_t(o.seed);
  f.out = demo.run.file("few-labels"), f.existing = existing_of(o);
  Say say = [&](const std::string& line) { progress.say("  " + line); };
  auto tune = [&] {
    Finetune curve =
        finetune(learned_subject.loaded, demo.pretext(), learned.sets, learned.pictures, f, say);
    if (curve.signal) std::exit(exit_code_of_signal(curve.signal));
    return curve;
  };
  Finetune tuned = tune();
  f.from_scratch = true;
  Finetune scratch = tune();

  demo.act(4, "learn kinds and turns together, break the pictures, adapt to them");
  const AdaptingAct adapting =
      adapting_act(demo.run.path(), demo.plan.adapting_minutes, o.seed, existing_of(o), progress);
  if (adapting.signal) std::exit(exit_code_of_signal(adapting.signal));

  demo.act(5, "pictures and the summary");
  demo.picture("broken.png", broken_pictures(adapting));
  demo.picture("adapting.png", error_plot(adapting.adapted));
  demo.picture(
      "few-labels.png",
      few_label_figure({{"fine-tuned from rotation", tuned.points, false, 0},
                        {"from scratch", scratch.points, false, 1},
                        {"linear probe, learned features", learned.few.points, true, 0},
                        {"linear probe, untrained features", untrained.few.points, true, 1}},
                       1.0 / double(learned_subject.train->classes().size())));

  std::string counts = fmt::format("  {:<34}", "labels a class");
  for (const FewLabelPoint& p : tuned.points) counts += fmt::format("{:>9}", p.per_class);
  const double gain = learned.probe.chosen().test - untrained.probe.chosen().test;
  std::string text = fmt::format(
      "\nA network looked at {} pictures without labels and learned to tell how they were turned:\n"
      "{} right on unseen pictures, where guessing gives 25 %. What did that teach it about the "
      "{}\n"
      "kinds of things in them? All figures are on {} pictures that it has never seen.\n\n"
      "  {:<34}{:>9}{:>9}\n",
      learned_subject.train->size(), percent(rotation), learned_subject.train->classes().size(),
      learned_subject.test->size(), "frozen features", "untrained", "learned");
  text += gain_row("linear probe", untrained.probe.chosen().test, learned.probe.chosen().test);
  text += gain_row("nearest neighbours", untrained.knn.accuracy, learned.knn.accuracy);
  text += "\n" + counts + "\n";
  text += curve_row("fine-tuned from rotation", tuned.points);
  text += curve_row("the same network from scratch", scratch.points);
  text += curve_row("linear probe, learned features", learned.few.points);
  text += curve_row("linear probe, untrained features", untrained.few.points);
  text +=
      "\nLinear probes by block, learned (the best block is chosen on held-out training "
      "pictures)\n" +
      learned.probe.table() + "untrained\n" + untrained.probe.table();
  text += adapting_text(adapting);
  text += fmt::format(
      "\nHow each figure was made\n  rotation: {} views, all four turns of each training and test "
      "picture"
      "\n  {}\n  {}\n  few labels: {}\n  {}\n  {}\n  {}\n\n",
      4 * demo.plan.epochs * learned_subject.train->size(), learned.probe.protocol,
      learned.knn.protocol, learned.few.protocol, tuned.protocol, scratch.protocol,
      adapting.adapted.protocol);
  text += fmt::format("Done in {}. The run is {}; its pictures:\n", duration_text(demo.seconds()),
                      demo.run.path());
  for (const std::string& path : demo.pictures) text += "  " + path + "\n";
  demo.run.write("summary.txt", text);

  Json object = result_object("demo", o.seed, "cpu", learned.probe.protocol);
  object.update({{"run", demo.run.path()},
                 {"rotation_accuracy", rotation},
                 {"linear", learned.probe.chosen().test},
                 {"linear_untrained", untrained.probe.chosen().test},
                 {"linear_gain", gain},
                 {"knn", learned.knn.accuracy},
                 {"knn_untrained", untrained.knn.accuracy},
                 {"finetuned", points_of(tuned.points)},
                 {"from_scratch", points_of(scratch.points)},
                 {"few_labels", points_of(learned.few.points)},
                 {"few_labels_untrained", points_of(untrained.few.points)},
                 {"adapting", adapting_facts(adapting)},
                 {"pictures", demo.pictures}});
  demo.run.write("summary.json", object.dump(2) + "\n");
  print_result(common, text, object);
}

}  // namespace

void add_demo(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand("demo", "the main job on the built-in world, in minutes");
  c->footer(
      "Examples:\n"
      "  autodidact demo\n"
      "  autodidact demo --minutes 2 --out runs/short");
  c->add_option("--out", o->out, "run directory (default: runs/demo, or the next free number)");
  c->add_option("--minutes", o->minutes, "about so long on 2 cores; fewer see fewer pictures")
      ->check(CLI::Range(2.0, 60.0))
      ->capture_default_str();
  c->add_option("--seed", o->seed, "of everything")->check(seed_number())->capture_default_str();
  c->add_flag("--overwrite", o->overwrite, "start anew in an existing run directory");
  add_common(*c, common);
  c->callback([o, &common] { run_demo(common, *o); });
}

}  // namespace autodidact
