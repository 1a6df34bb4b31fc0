// autodidact reconstruct: what a masked autoencoder makes of pictures most of which it does not
// see, as a picture, and its error beside those of guesses without a network.
#include <fmt/format.h>
#include <filesystem>
#include <memory>
#include <numeric>
#include "tools/autodidact/command.h"
#include "train/data/names.h"
#include "train/data/readable.h"
#include "train/data/splits.h"
#include "train/evaluate/fill.h"
#include "train/evaluate/subject.h"
#include "train/reconstruct.h"
#include "train/run_directory.h"

namespace autodidact {
namespace {

struct Options {
  std::string checkpoint, data, out, run;
  double mask_ratio = -1;  // below 0: the checkpoint's
  int64_t seed = 1;
  int shown = 8, measured = 1000, masks = 16, side = 0;
  bool linear = false, true_statistics = false;
};

// Error over the hidden pixels of each of the `measured` pictures, and of the guesses.
struct Errors {
  double masked = 0, mean = 0, harmonic = 0, linear = 0;
};

// The same row of a mask for `count` pictures.
PatchMask repeated(const PatchMask& mask, int row, int count) {
  PatchMask m{empty({count, mask.kept()}, Dtype::i32), empty({count, mask.patches()}, Dtype::i32)};
  for (int n = 0; n < count; ++n) {
    Tensor visible = view_rows(m.visible, n, n + 1), place = view_rows(m.place, n, n + 1);
    copy(visible, view_rows(mask.visible, row, row + 1));
    copy(place, view_rows(mask.place, row, row + 1));
  }
  return m;
}

void run_strip(const Common& common, const Options& o) {
  const std::string folder = (std::filesystem::path(o.run) / "reconstructions").string();
  ImageGrid grid = over_epochs(folder);
  draw(o.out, grid);
  auto object = result_object("reconstruct", nullptr, nullptr, grid.subtitle);
  object.update({{"out", o.out}, {"epochs", grid.columns - 2}});
  print_result(common, fmt::format("{}: {} epochs of {}\n", o.out, grid.columns - 2, o.run),
               object);
}

// Says what is missing before a loader complains about names.
void refuse_without_decoder(const std::string& path) {
  if (!read_weights(path).tensors.count("decoder_pred.weight"))
    fail(ErrorKind::checkpoint, path, ": has no decoder (no decoder_pred.weight): only a ",
         "checkpoint of `train mae` can rebuild pictures; an exported encoder cannot");
}

void run_reconstruct(const Common& common, const Options& o) {
  if (!o.run.empty()) return run_strip(common, o);
  if (o.checkpoint.empty())
    fail(ErrorKind::usage, "reconstruct: needs --checkpoint, or --over-epochs RUN");
  Progress progress(common.quiet ? Loudness::quiet : Loudness::normal);
  const std::string file =
      find_sound_checkpoint(o.checkpoint, [&](const std::string& m) { progress.warn(m); });
  refuse_without_decoder(file);
  LoadedMethod loaded = load_method(file, device_of(common, progress), o.side);
  const auto* mae = dynamic_cast<const MaskedTraining*>(loaded.method.get());
  if (!mae)
    fail(ErrorKind::usage, "reconstruct: ", printable(o.checkpoint), " is of train ", loaded.name,
         "; only train mae rebuilds pictures");
  if (!loaded.notes.empty()) progress.say(loaded.notes);
  Subject subject = subject_of(loaded);
  const int patch = mae->model().patch(), patches = mae->model().patches();
  const double ratio = o.mask_ratio < 0 ? mae->mask_ratio() : o.mask_ratio;
  const int kept = kept_patches(patches, ratio);
  if (kept == 0 || kept == patches)
    fail(ErrorKind::usage, "reconstruct: --mask ", ratio, " leaves ", kept, " of ", patches,
         " patches visible; some must be and some not");

  std::string notes;
  const RunKeys& keys = loaded.keys;
  const std::string source = o.data.empty() ? keys.data : o.data;
  SourceOptions options{.side = loaded.side, .size = o.data.empty() ? keys.test_size : 0};
  DatasetPtr data = open_test_split(source, options, notes);
  if (!data) {
    data = open_dataset(source, options);
    notes += printable(source) + " has no test split: these pictures may be those trained on\n";
  }
  if (!notes.empty()) progress.say(notes.substr(0, notes.size() - 1));

  std::vector<BadFile> bad;
  data = first_readable(data, o.measured, keys.bad_cap, bad);
  warn_left_out(progress, bad);

  // Picture n has mask n mod masks: few enough to fit a linear guess to each.
  const int measured = int(data->size());
  const int masks = std::min(o.masks, measured);
  std::vector<int64_t> indices(static_cast<size_t>(masks));
  std::iota(indices.begin(), indices.end(), 0);
  const PatchMask mask =
      draw_mask(indices, patches, kept, uint64_t(o.seed), uint32_t(Stream::mask), 0);
  std::unique_ptr<LinearFill> linear;
  if (o.linear) {
    options.size = o.data.empty() ? keys.train_size : 0;
    constexpr int64_t kLearnedFrom = 20000;
    std::vector<BadFile> bad_training;
    DatasetPtr train = first_readable(open_training_split(source, options), kLearnedFrom,
                                      keys.bad_cap, bad_training);
    warn_left_out(progress, bad_training);
    linear = std::make_unique<LinearFill>(*train, loaded.side, kLearnedFrom, mask, patch);
  }
  const Statistics statistics = o.true_statistics ? Statistics::truth : Statistics::visible;
  Tensor pictures = first_pictures(*data, measured, loaded.side, mae->normalization(), Dtype::f32);
  Errors e;
  ImageGrid grid;
  grid.columns = 4;
  grid.column_heads = {"masked", "reconstruction", "pasted", "truth"};
  const int shown = std::min({o.shown, measured, masks});
  grid.cells.resize(size_t(shown) * 4);
  for (int m = 0; m < masks; ++m) {
    std::vector<int> mine;
    for (int n = m; n < measured; n += masks) mine.push_back(n);
    Tensor batch = empty({int(mine.size()), loaded.side, loaded.side, 3});
    for (size_t i = 0; i < mine.size(); ++i) {
      Tensor row = view_rows(batch, int(i), int(i) + 1);
      copy(row, view_rows(pictures, mine[i], mine[i] + 1));
    }
    const PatchMask same = repeated(mask, m, int(mine.size()));
    const Reconstruction r = reconstruct(*mae, batch, same, statistics);
    const double share = double(mine.size()) / measured;
    e.masked += share * hidden_error(r.rebuilt, r.truth, same, patch);
    e.mean += share * hidden_error(mean_fill(r.truth, same, patch), r.truth, same, patch);
    e.harmonic += share * hidden_error(harmonic_fill(r.truth, same, patch), r.truth, same, patch);
    if (linear)
      e.linear += share * hidden_error(linear->fill(r.truth, mask, m, patch), r.truth, same, patch);
    if (m >= shown) continue;
    GridCell* cells = &grid.cells[size_t(m) * 4];
    const Tensor grey = masked(r.truth, same, patch),
                 pasted = masked(r.truth, same, patch, r.rebuilt);
    const Tensor* columns[] = {&grey, &r.rebuilt, &pasted, &r.truth};
    for (int c = 0; c < 4; ++c) cells[c].image = image_of(*columns[c], 0);
    const int label = data->label(m);
    if (label >= 0) cells[3].caption = data->classes()[size_t(label)];
  }
  const std::string pixels =
      !mae->normalizes_pixels() ? "plain pixels"
      : o.true_statistics
          ? "normalised pixels, shown with the HIDDEN patches' own mean and deviation (a leak)"
          : "normalised pixels, shown with the visible patches' mean and deviation";
  const std::string protocol = fmt::format(
      "{}, {} of {} patches of {}x{} hidden; mean squared error of the hidden pixels in [0, 1] "
      "over "
      "{} pictures, {} masks of seed {}{}",
      pixels, patches - kept, patches, patch, patch, measured, masks, o.seed,
      linear ? fmt::format("; linear guess of {} training pictures, ridge {:g}", linear->pictures(),
                           linear->ridge())
             : "");
  std::string text = fmt::format("{}\n  {:<28} {:.5f}\n  {:<28} {:.5f}\n  {:<28} {:.5f}\n",
                                 subject.what, "reconstruction", e.masked,
                                 "mean of the visible pixels", e.mean, "harmonic fill", e.harmonic);
  if (linear) text += fmt::format("  {:<28} {:.5f}\n", "best linear guess", e.linear);
  auto object =
      result_object("reconstruct", o.seed, device_name(loaded.method->device()), protocol);
  object["masked_mse"] = e.masked;
  object["baseline_mean_mse"] = e.mean;
  object["baseline_harmonic_mse"] = e.harmonic;
  if (linear) object["baseline_linear_mse"] = e.linear;
  if (!o.out.empty()) {
    grid.title = fmt::format("{}: {:.0f} % hidden", subject.what, 100 * ratio);
    grid.subtitle = pixels;
    draw(o.out, grid);
    object["out"] = o.out;
    text += "picture: " + o.out + "\n";
  }
  print_result(common, text + "protocol: " + protocol + "\n", object);
}

}  // namespace

void add_reconstruct(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand("reconstruct", "what a masked autoencoder makes of pictures");
  c->footer(
      "Examples:\n"
      "  autodidact reconstruct --checkpoint runs/mae --mask 0.8 --out pictures.png\n"
      "  autodidact reconstruct --checkpoint runs/mae --linear --json\n"
      "  autodidact reconstruct --over-epochs runs/mae --out strip.png");
  auto* checkpoint =
      c->add_option("--checkpoint", o->checkpoint, "checkpoint or run directory of train mae");
  c->add_option("--data", o->data, "source of pictures (default: the run's test split)");
  c->add_option("--mask", o->mask_ratio, "part that is hidden (default: the checkpoint's)")
      ->check(CLI::Validator(
          [](std::string& text) {
            double v = 0;
            if (!CLI::detail::lexical_cast(text, v) || !(v > 0 && v < 1))
              return "must be above 0 and below 1, got " + text;
            return std::string();
          },
          "in (0, 1)"));
  c->add_option("--seed", o->seed, "of the masks")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  c->add_option("--image-size", o->side, "pixels a side (default: the checkpoint's)")
      ->check(CLI::Range(1, 4096));
  c->add_option("--count", o->shown, "pictures shown")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  c->add_option("--measure", o->measured, "pictures measured")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  c->add_flag("--linear", o->linear, "also the best linear guess, from training pictures");
  c->add_flag("--true-statistics", o->true_statistics,
              "give normalised patches the mean and deviation of the truth: a leak");
  auto* strip = c->add_option("--over-epochs", o->run,
                              "a run directory: draw what it kept at epochs 0, 1, 2, 4, ..")
                    ->excludes(checkpoint);
  auto* out = c->add_option("--out", o->out, "the picture, .png or .svg");
  strip->needs(out);
  add_device(*c, common);
  add_common(*c, common);
  c->callback([o, &common] { run_reconstruct(common, *o); });
}

}  // namespace autodidact
