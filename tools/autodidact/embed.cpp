// autodidact embed: the features of every picture of a source, to a file that other programs read.
#include <fmt/format.h>
#include <chrono>
#include <fstream>
#include <memory>
#include "tools/autodidact/command.h"
#include "train/evaluate/feature_file.h"
#include "train/evaluate/subject.h"

namespace autodidact {
namespace {

struct Options {
  std::string checkpoint, data, out, block = kPooled, split;
  Pooling pooling;
  bool untrained = false;
};

void run_embed(const Common& common, const Options& o) {
  auto begin = std::chrono::steady_clock::now();
  check_feature_file(o.out);  // before the work
  Progress progress(common.quiet ? Loudness::quiet : Loudness::normal);
  LoadedMethod loaded = load_method(o.checkpoint, device_of(common, progress), o.untrained);
  Subject subject = subject_of(loaded);
  DatasetPtr data = open_dataset(o.data, {.split = o.split, .side = loaded.side});
  if (o.untrained)
    estimate_batch_statistics(loaded.method->encoder(), data, subject.normalization, loaded.side, 1,
                              loaded.device);
  Features f = features_of(subject, data, {o.block}, o.pooling);
  for (const BadFile& b : f.bad_files)
    progress.warn(b.reason + ": the row is that of another picture");
  write_features(o.out, f, *data, subject);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const int dims = f.blocks[0].x.shape[1];
  const std::string protocol =
      fmt::format("frozen features, block {}, {} numbers, maps averaged to {}x{}", o.block, dims,
                  f.blocks[0].grid, f.blocks[0].grid);
  print_result(common, fmt::format("{}: {} pictures, {}\n", o.out, data->size(), protocol),
               {{"command", "embed"},
                {"seed", 0},
                {"seconds", seconds},
                {"device", device_name(loaded.device)},
                {"protocol", protocol},
                {"out", o.out},
                {"pictures", data->size()},
                {"dims", dims},
                {"block", o.block}});
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
                ".npy (the matrix), .csv (name, label, numbers) or .safetensors (features, labels)")
      ->required();
  c->add_option("--split", o->split, "where the source names none: train, test, val");
  c->add_option("--block", o->block, "block of the network, or `features`, its pooled output")
      ->capture_default_str();
  c->add_option("--grid", o->pooling.most_grid, "maps are averaged to at most N x N; 1: globally")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  c->add_option("--most-dims", o->pooling.most_dims, "and to at most N numbers")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  c->add_flag("--untrained", o->untrained, "the same network at its initial weights");
  add_device(*c, common);
  add_common(*c, common);
  c->callback([o, &common] { run_embed(common, *o); });
}

}  // namespace autodidact
