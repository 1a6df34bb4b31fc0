// autodidact embed: the features of every picture of a source, to a file that other programs read.
#include <fmt/format.h>
#include <fstream>
#include <memory>
#include "tools/autodidact/command.h"
#include "tools/autodidact/command_line.h"
#include "train/data/bytes.h"
#include "train/data/names.h"
#include "train/evaluate/feature_file.h"
#include "train/evaluate/subject.h"

namespace autodidact {
namespace {

struct Options {
  std::string checkpoint, data, out, block = kPooled, split;
  Pooling pooling;
  bool untrained = false, overwrite = false;
  int64_t seed = -1;
  double bad_cap = -1;
};

void run_embed(const Common& common, const Options& o) {
  check_feature_file(o.out);  // before the work
  refuse_existing(o.out, o.overwrite);
  if (const std::string named = named_split(o.data).split; !o.split.empty() && !named.empty())
    fail(ErrorKind::usage, "embed: --data ", printable(o.data), " names the split ", named,
         " itself; leave out --split ", printable(o.split));
  Progress progress(common.quiet ? Loudness::quiet : Loudness::normal);
  const Device device = device_of(common, progress);
  LoadedMethod loaded = o.untrained ? load_untrained(o.checkpoint, o.seed, device)
                                    : load_method(o.checkpoint, device);
  Subject subject = subject_of(loaded);
  if (o.bad_cap >= 0) subject.bad_cap = o.bad_cap;
  DatasetPtr data = open_dataset(o.data, {.split = o.split, .side = loaded.side});
  std::string statistics;
  if (o.untrained && estimate_statistics(loaded, subject, training_pictures(loaded)))
    statistics = fmt::format("; BatchNorm statistics estimated on training pictures of {}",
                             loaded.keys.data);
  Features f = features_of(subject, data, {o.block}, o.pooling);
  for (const BadFile& b : f.bad_files)
    progress.warn(b.reason + ": left out, there is no row of it");
  write_features(o.out, f, *pictures_of(f, data), subject);
  const int dims = f.blocks[0].x.shape[1];
  const std::string protocol =
      fmt::format("{}; frozen features, block {}, {} numbers, maps averaged to {}x{}{}",
                  subject.what, o.block, dims, f.blocks[0].grid, f.blocks[0].grid, statistics);
  auto object = result_object("embed", loaded.seed, device_name(loaded.method->device()), protocol);
  object.update({{"subject", subject.what},
                 {"out", o.out},
                 {"pictures", f.samples.size()},
                 {"dims", dims},
                 {"block", o.block}});
  print_result(common, fmt::format("{}: {} pictures, {}\n", o.out, f.samples.size(), protocol),
               object);
}

}  // namespace

void add_embed(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand("embed", "write the features of pictures to a file");
  c->footer(
      "Examples:\n"
      "  autodidact embed --checkpoint runs/rotation --data photos/ --out photos.csv\n"
      "  autodidact embed --checkpoint runs/rotation --data cifar10:DIR:test --out test.npy");
  c->add_option("--checkpoint", o->checkpoint, "checkpoint or run directory")->required();
  c->add_option("--data", o->data, "source of pictures; labels are not needed")->required();
  c->add_option("--out", o->out,
                ".npy (the matrix), .csv (name, label, numbers) or .safetensors (features, labels, "
                "names); damaged pictures have no row")
      ->required();
  c->add_flag("--overwrite", o->overwrite, "replace what is there");
  c->add_option("--split", o->split, "where the source names none: train, test, val");
  c->add_option("--block", o->block, "block of the network, or `features`, its pooled output")
      ->capture_default_str();
  c->add_option("--grid", o->pooling.most_grid, "maps are averaged to at most N x N; 1: globally")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  c->add_option("--most-dims", o->pooling.most_dims, "and to at most N numbers")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  auto* untrained =
      c->add_flag("--untrained", o->untrained, "the same network at its initial weights");
  c->add_option("--seed", o->seed, "of an untrained network's weights (default: the run's)")
      ->check(seed_number())
      ->needs(untrained);
  c->add_option("--cap", o->bad_cap,
                "damaged pictures that are left out, as a part of all (default: the run's bad_cap)")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("PART");
  add_device(*c, common);
  add_common(*c, common);
  c->callback([o, &common] { run_embed(common, *o); });
}

}  // namespace autodidact
