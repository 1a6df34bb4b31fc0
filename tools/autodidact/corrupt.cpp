// autodidact corrupt: a data set as the corruptions of Hendrycks & Dietterich leave it, and what
// they did to it in numbers.
#include <fmt/format.h>
#include <filesystem>
#include <memory>
#include "engine/check.h"
#include "kernels/parallel.h"
#include "tools/autodidact/command.h"
#include "train/data/export.h"
#include "train/data/names.h"
#include "train/data/npy.h"
#include "train/data/readable.h"
#include "train/data/splits.h"
#include "train/pictures/canvas.h"
#include "ttt/corruptions/corruption.h"

namespace autodidact {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string data, corruption = "all", out, format = "folder", frost, sheet;
  int64_t seed = 1, count = 0;
  int side = 0;
  double cap = 0.01;
  bool overwrite = false, statistics = false;
};

// A row a corruption, a column a severity, of one picture.
void draw_sheet(const std::string& path, const Dataset& data, const CorruptionOptions& options) {
  ImageGrid grid;
  grid.title = "The corruptions at severities 1 to 5";
  grid.subtitle = data.name(0);
  grid.columns = 5;
  grid.column_heads = {"1", "2", "3", "4", "5"};
  const Image clean = data.image(0);
  for (const std::string& name : corruption_names()) {
    if (grid.row_heads.size() == kTestCorruptions) break;
    grid.row_heads.push_back(name);
    for (int severity = 1; severity <= 5; ++severity)
      grid.cells.push_back(
          {corrupted(clean, {name, double(severity)}, 0, options), "", Mark::none});
  }
  draw(path, grid);
}

// As the published files lie: NAME.npy with all severities of it after each other, and labels.npy.
std::vector<std::string> write_arrays(const Options& o, const DatasetPtr& data, int side,
                                      const std::vector<Corruption>& corruptions,
                                      const CorruptionOptions& options) {
  std::vector<std::string> files;
  const size_t row = size_t(side) * size_t(side) * 3, n = size_t(data->size());
  size_t longest = 0;
  for (size_t k = 0, end; k < corruptions.size(); k = end) {
    for (end = k; end < corruptions.size() && corruptions[end].name == corruptions[k].name;) ++end;
    std::vector<uint8_t> pixels((end - k) * n * row);
    for (size_t c = k; c < end; ++c) {
      const DatasetPtr set = corrupted(data, corruptions[c], options);
      parallel_for(int64_t(n), 1, [&](int64_t begin, int64_t last) {
        for (int64_t i = begin; i < last; ++i) {
          const Image image = set->image(i);
          std::copy(image.rgb.begin(), image.rgb.end(),
                    pixels.begin() + std::ptrdiff_t(((c - k) * n + size_t(i)) * row));
        }
      });
    }
    files.push_back(o.out + "/" + corruptions[k].name + ".npy");
    write_npy(files.back(), "|u1", {int64_t((end - k) * n), side, side, 3}, pixels);
    longest = std::max(longest, end - k);
  }
  if (data->classes().empty()) return files;
  std::vector<int64_t> labels;
  for (size_t s = 0; s < longest; ++s)
    for (int64_t i = 0; i < data->size(); ++i) labels.push_back(data->label(i));
  files.push_back(o.out + "/labels.npy");
  write_npy(files.back(), labels);
  return files;
}

std::string folder_of(const Options& o, const Corruption& c) {
  return fmt::format("{}/{}/{}", o.out, c.name, c.severity);
}

void run_corrupt(const Common& common, const Options& o) {
  const auto corruptions = parse_corruptions(o.corruption);
  CorruptionOptions options{.seed = uint64_t(o.seed), .frost = nullptr};
  if (!o.frost.empty()) options.frost = frost_textures(o.frost);
  std::string notes;
  DatasetPtr data = open_test_pictures(o.data, {.side = o.side}, notes);
  std::vector<BadFile> bad;
  data = o.count > 0 && o.count < data->size() ? first_readable(data, o.count, o.cap, bad)
                                               : readable_pictures(data, o.cap, bad);
  Progress progress(common.quiet ? Loudness::quiet : Loudness::normal);
  warn_left_out(progress, bad);
  if (o.side > 0 && o.side != data->side()) data = in_memory(data, o.side);
  std::vector<std::string> files;
  if (!o.sheet.empty()) {
    draw_sheet(o.sheet, *data, options);
    files.push_back(o.sheet);
  }
  if (!o.out.empty()) {
    refuse_existing(o.out, o.overwrite);
    if (o.format == "npy") {
      if (data->side() == 0)
        fail(ErrorKind::usage, "corrupt: the pictures of ", printable(o.data),
             " differ in size; give --side for the side of an array");
      std::error_code error;
      std::filesystem::create_directories(o.out, error);
      if (error)
        fail(ErrorKind::failure, printable(o.out), ": cannot make this folder: ", error.message());
      auto written = write_arrays(o, data, data->side(), corruptions, options);
      files.insert(files.end(), written.begin(), written.end());
    } else {
      for (const Corruption& c : corruptions) {
        auto written =
            export_dataset(folder_of(o, c), *corrupted(data, c, options), 0, o.overwrite);
        files.insert(files.end(), written.begin(), written.end());
      }
    }
  }
  const std::string protocol =
      fmt::format("{} of {}; seed {}; parameters by the picture's side{}", data->size(),
                  data->describe(), o.seed, o.frost.empty() ? "; procedural frost" : "");
  Json object = result_object("corrupt", o.seed, "cpu", protocol);
  object["samples"] = data->size();
  object["files"] = files;
  std::string text;
  if (o.statistics) {
    text = fmt::format("{:<20} {:>8} {:>8} {:>9} {:>8}\n", "corruption", "severity", "mean",
                       "deviation", "distance");
    for (const Corruption& c : corruptions) {
      const auto s = corruption_statistics(*data, data->size(), c, options);
      text += fmt::format("{:<20} {:>8} {:>8.2f} {:>9.2f} {:>8.2f}\n", c.name, c.severity, s.mean,
                          s.deviation, s.distance);
      object["results"].push_back({{"corruption", c.name},
                                   {"severity", c.severity},
                                   {"mean", s.mean},
                                   {"deviation", s.deviation},
                                   {"distance", s.distance}});
    }
  }
  for (auto& f : files) text += "written: " + printable(f) + "\n";
  print_result(common, text + "protocol: " + protocol + "\n", object);
}

}  // namespace

void add_corrupt(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand("corrupt", "pictures with noise, blur, weather, digital damage");
  c->footer(
      "Examples:\n"
      "  autodidact corrupt --data cifar10:DIR --corruption all --format npy --out cifar-c\n"
      "  autodidact corrupt --data photos/ --corruption fog:5,snow:3 --out foggy\n"
      "  autodidact corrupt --data world:test --sheet corruptions.png\n"
      "  autodidact corrupt --data world:test --count 1000 --statistics");
  c->add_option("--data", o->data, "source of pictures; its test split where there is one")
      ->required();
  c->add_option("--corruption", o->corruption,
                "NAME[:SEVERITY], all (the 15), extra (the 4), or a list with commas")
      ->capture_default_str();
  c->add_option("--out", o->out, "folder: CORRUPTION/SEVERITY/CLASS/NUMBER.png or CORRUPTION.npy");
  c->add_option("--format", o->format, "folder, or npy as CIFAR-10-C is published")
      ->check(CLI::IsMember({"folder", "npy"}))
      ->capture_default_str();
  c->add_option("--sheet", o->sheet, "draw the first picture at every severity (.png, .svg)");
  c->add_flag("--statistics", o->statistics, "mean, deviation, distance to the clean pictures");
  c->add_option("--frost", o->frost, "folder of frost textures in place of the procedural ones");
  c->add_option("--side", o->side, "pixels a side (default: the pictures' own)")
      ->check(CLI::Range(1, 4096));
  c->add_option("--count", o->count, "the first N pictures alone")->check(CLI::PositiveNumber);
  c->add_option("--cap", o->cap, "damaged pictures that are left out, as a part of all (0.01)")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("PART");
  c->add_option("--seed", o->seed, "of what is drawn")->check(CLI::NonNegativeNumber);
  c->add_flag("--overwrite", o->overwrite, "replace what is there");
  add_common(*c, common);
  c->callback([o, &common] { run_corrupt(common, *o); });
}

}  // namespace autodidact
