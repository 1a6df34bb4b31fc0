// autodidact data info|check|show|export SRC: what the program sees in a data source.
#include <fmt/format.h>
#include <algorithm>
#include "engine/check.h"
#include "tools/autodidact/command_line.h"
#include "tools/autodidact/data.h"
#include "train/data/export.h"
#include "train/data/names.h"
#include "train/data/readable.h"

namespace autodidact {

DatasetPtr open_source(DataOptions& o) {
  o.open.side = o.side;
  return open_dataset(o.source, o.open);
}

Json data_object(const DataOptions& o, const char* what, const std::string& protocol) {
  Json object = result_object(std::string("data ") + what, o.open.seed, "cpu", protocol);
  object["source"] = printable(o.source);
  return object;
}

namespace {

// Up to n samples spread evenly over the data set.
std::vector<int64_t> spread(int64_t n, int64_t size) {
  std::vector<int64_t> samples;
  n = std::min(n, size);
  for (int64_t i = 0; i < n; ++i) samples.push_back(i * size / n);
  return samples;
}

struct Sizes {
  int low = 1 << 30, high = 0;
  void add(int v) { low = std::min(low, v), high = std::max(high, v); }
  std::string text() const {
    return low == high ? std::to_string(low) : fmt::format("{} to {}", low, high);
  }
};

void info(DataOptions& o, const Common& common) {
  constexpr int64_t kLooked = 64;
  DatasetPtr data = open_source(o);
  const auto& classes = data->classes();
  std::vector<int64_t> count(classes.size());
  int64_t unlabelled = 0;
  for (int64_t i = 0; i < data->size(); ++i) {
    int label = data->label(i);
    if (label < 0) ++unlabelled;
    else ++count[size_t(label)];
  }
  Sizes heights, widths;
  int64_t looked = 0, unreadable = 0;
  for (int64_t i : spread(data->side() > 0 ? 1 : kLooked, data->size())) try {
      Image image = data->image(i);
      heights.add(image.height), widths.add(image.width), ++looked;
    } catch (const Error& e) {
      if (e.kind != ErrorKind::data) throw;
      ++unreadable;
    }
  std::string splits;
  for (const char* s : {"train", "val", "test", "test2"})
    if (has_split(o.source, s)) splits += (splits.empty() ? "" : " ") + std::string(s);

  std::string text;
  auto row = [&](const char* what, const std::string& value) {
    text += fmt::format("{:<10} {}\n", what, value);
  };
  row("data", data->describe());
  row("splits", splits);
  row("samples", std::to_string(data->size()));
  std::string pixels =
      looked ? heights.text() + " x " + widths.text() + " pixels (height x width)" : "unknown";
  if (data->side() == 0) pixels += fmt::format(", of {} looked at", looked);
  if (unreadable) pixels += fmt::format(", {} unreadable: see data check", unreadable);
  row("size", pixels);
  row("labels", classes.empty()
                    ? "none"
                    : fmt::format("{} classes, {} samples without", classes.size(), unlabelled));
  Json by_class = Json::object();
  for (size_t c = 0; c < classes.size(); ++c) {
    by_class[printable(classes[c])] = count[c];
    if (c < 30) row("", fmt::format("{:<24} {:>8}", printable(classes[c]), count[c]));
    else if (c == 30) row("", fmt::format("... {} more", classes.size() - 30));
  }
  row("manifest", fmt::format("{:016x}", data->manifest()));
  for (auto& note : data->notes()) row("left out", note);

  Json object = data_object(o, "info", "sizes of " + std::to_string(looked) + " samples");
  object["samples"] = data->size();
  object["splits"] = splits;
  if (looked) {
    object["height"] = {heights.low, heights.high};
    object["width"] = {widths.low, widths.high};
  }
  object["classes"] = by_class;
  object["unlabelled"] = unlabelled;
  object["manifest"] = fmt::format("{:016x}", data->manifest());
  object["left_out"] = data->notes();
  print_result(common, text, object);
}

void check_all(DataOptions& o, const Common& common) {
  DatasetPtr data = open_source(o);
  const std::vector<std::string> reasons = damages(*data);
  std::string text;
  Json damaged = Json::array();
  for (size_t i = 0; i < reasons.size(); ++i)
    if (!reasons[i].empty()) {
      text += reasons[i] + "\n";
      damaged.push_back(
          {{"sample", i}, {"file", printable(data->name(int64_t(i)))}, {"reason", reasons[i]}});
    }
  text += fmt::format("{} samples, {} damaged\n", reasons.size(), damaged.size());
  for (auto& note : data->notes()) text += "left out: " + note + "\n";
  Json object = data_object(o, "check", "every picture decoded in full");
  object["samples"] = reasons.size();
  object["cap"] = o.cap;
  object["damaged"] = damaged;
  object["left_out"] = data->notes();
  print_result(common, text, object);
  if (double(damaged.size()) > o.cap * double(reasons.size()))
    fail(ErrorKind::data, printable(o.source), ": ", damaged.size(), " of ", reasons.size(),
         " pictures are damaged, more than the cap of ", o.cap * 100,
         " %; remove them or allow more with --cap");
}

void export_to(DataOptions& o, const Common& common) {
  DatasetPtr data = open_source(o);
  if (o.count > 0 && o.count < data->size()) {
    std::vector<int64_t> first(size_t(o.count), 0);
    for (size_t i = 0; i < first.size(); ++i) first[i] = int64_t(i);
    data = subset(data, std::move(first), "the first " + std::to_string(o.count));
  }
  auto files = export_dataset(o.out, *data, o.side, o.overwrite);
  Json object = data_object(o, "export", "pictures as the program decodes them");
  object["samples"] = data->size();
  object["files"] = files;
  std::string text = fmt::format("{} samples written to", data->size());
  for (auto& f : files) text += " " + f;
  print_result(common, text + "\n", object);
}

}  // namespace

void add_data(CLI::App& app, Common& common) {
  auto* data = app.add_subcommand("data", "what the program sees in a data source");
  const std::string source =
      "\nSRC is world, cifar10:DIR, shards:DIR, shards:PATTERN, a folder of images or "
      "x.npy[,y.npy]; :train, :val, :test choose a split.";
  data->footer(
      "Examples:\n  autodidact data info photos/\n  autodidact data check photos/ --cap 0.05\n"
      "  autodidact data show world:test --out test.png\n"
      "  autodidact data show world --recipe rotation-world-quick --out augmented.png\n"
      "  autodidact data export world:train --count 5000 --out x.npy,y.npy" +
      source);
  data->require_subcommand(1);
  auto o = std::make_shared<DataOptions>();
  auto add = [&](const char* name, const char* meaning, void (*run)(DataOptions&, const Common&),
                 const std::string& examples) {
    auto* c = data->add_subcommand(name, meaning);
    c->footer("Examples:" + examples + source);
    add_common(*c, common);
    c->add_option("SRC", o->source, "the data source")->required();
    c->add_option("--seed", o->open.seed, "of the built-in world, and of the choice of samples")
        ->check(seed_number())
        ->type_name("N");
    c->callback([o, run, &common] { run(*o, common); });
    return c;
  };
  add("info", "counts, classes, sizes", info,
      "\n  autodidact data info photos/\n  autodidact data info cifar10:DIR:test");
  auto* check =
      add("check", "decode every picture, name the damaged ones; exit code 3 beyond the cap",
          check_all, "\n  autodidact data check photos/ --cap 0.05");
  check->add_option("--cap", o->cap, "damaged pictures that are allowed, as a part of all (0.01)")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("PART");
  auto* shown =
      add("show", "a picture of samples with their labels, or of their augmentations", show_data,
          "\n  autodidact data show world:test --out test.png\n"
          "  autodidact data show world --recipe rotation-world-quick --out augmented.png");
  shown->add_option("--out", o->out, "the picture, .png or .svg")->required()->type_name("FILE");
  shown->add_option("--count", o->count, "how many samples (100)")->check(CLI::Range(1, 2000));
  shown->add_option("--recipe", o->recipe, "a row a sample: as this recipe's training sees it")
      ->type_name("NAME|FILE");
  shown->add_option("--set", o->sets, "key=value over the recipe")->type_name("KEY=VALUE");
  auto* exported = add("export", "write as x.npy[,y.npy] or as a folder of PNG files", export_to,
                       "\n  autodidact data export world:train --count 5000 --out x.npy,y.npy");
  exported->add_option("--out", o->out, "x.npy, x.npy,y.npy or a folder")
      ->required()
      ->type_name("OUT");
  exported->add_option("--count", o->count, "the first N samples alone")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 40))
      ->type_name("N");
  exported->add_flag("--overwrite", o->overwrite, "replace what is there");
  for (auto* c : {shown, exported})
    c->add_option("--side", o->side, "pixels a side")->check(CLI::Range(1, 4096))->type_name("N");
}

}  // namespace autodidact
