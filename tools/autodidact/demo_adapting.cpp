#include "tools/autodidact/demo_adapting.h"
#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include "ttt/corruptions/corruption.h"

namespace autodidact {
namespace {

constexpr const char* kRecipe = "ttt-world-quick";
// Four of the fifteen kinds of damage: noise, weather, and what is lost between black and white.
constexpr const char* kCorruptions = "gaussian_noise:5,impulse_noise:5,fog:5,contrast:5";

std::string row(const std::string& name, double frozen, double adapted, const Interval& change) {
  return fmt::format("  {:<34}{:>8.1f}%{:>8.1f}%   {:+.1f} points ({:+.1f} to {:+.1f})\n", name,
                     frozen, adapted, change.value, change.value - change.half,
                     change.value + change.half);
}

}  // namespace

int64_t adapting_samples(double minutes) {
  RunKeys keys;
  Recipe(kRecipe).read(keys);
  return std::clamp<int64_t>(std::llround(minutes * 400 / 3), 50, keys.test_size);
}

Interval AdaptingAct::change() const { return mean_difference(adapted.results()); }

AdaptingAct adapting_act(const std::string& folder, double minutes, int64_t seed,
                         RunDirectory::Existing existing, Progress& progress) {
  AdaptingAct act;
  Recipe recipe(kRecipe);
  const int64_t epochs = std::max<int64_t>(1, std::llround(minutes * 6 / 3));
  recipe.set("epochs", epochs);
  recipe.set("evaluate_every", (epochs + 1) / 2);
  recipe.set("seed", seed);
  act.trained = train_run({"ttt", recipe, folder + "/joint", existing, {}}, progress);
  act.signal = act.trained.loop.signal;
  if (act.signal) return act;
  for (auto& [name, value] : act.trained.loop.last) {
    if (name == "test_accuracy") act.accuracy = value;
    if (name == "test_rotation_accuracy") act.turns = value;
  }
  AdaptRequest request{folder + "/joint", {}, folder + "/adapted", existing};
  Recipe& r = request.recipe;
  r.set("corruption", std::string(kCorruptions));
  r.set("mode", std::string("online"));
  // A step a picture, on eight crops in all four turns; the rate is the best of three on world:val
  // (docs/results/ttt.md).
  r.set("rotations", std::string("all"));
  r.set("learning_rate", 0.002);
  r.set("samples", adapting_samples(minutes));
  r.set("seed", seed);
  act.adapted = adapt_run(request, progress);
  act.signal = act.adapted.signal;
  return act;
}

ImageGrid broken_pictures(const AdaptingAct& act) {
  constexpr size_t kShown = 10;
  Recipe recipe = Recipe::parse(act.trained.resolved, "the demo's recipe");
  RunKeys keys;
  recipe.read(keys);
  const DatasetPtr clean = open_run_data(keys).test;
  const uint64_t seed = uint64_t(act.adapted.keys.seed);
  const auto order = stream_order(*clean, Arrival::shuffled, act.adapted.keys.samples, seed);
  const CorruptionOptions options{.seed = seed, .frost = nullptr};
  ImageGrid grid;
  grid.title = "Broken pictures, after learning from those before them";
  grid.subtitle =
      "the last of each stream; framed by what the adapted network made of it, below what the "
      "frozen"
      " one did";
  grid.columns = int(std::min(kShown, order.size()));
  for (const NamedStream& s : act.adapted.streams) {
    grid.row_heads.push_back(s.corruption);
    const Corruption c = parse_corruptions(s.corruption)[0];
    for (size_t i = order.size() - size_t(grid.columns); i < order.size(); ++i)
      grid.cells.push_back({corrupted(clean->image(order[i]), c, order[i], options),
                            s.result.frozen[i] ? "frozen: right" : "frozen: wrong",
                            s.result.adapted[i] ? Mark::right : Mark::wrong});
  }
  return grid;
}

std::string adapting_text(const AdaptingAct& act) {
  const AdaptRun& run = act.adapted;
  std::string text = fmt::format(
      "\nA second network learned the kinds ({:.1f} % right on unseen pictures) and the turns "
      "({:.1f} %)"
      " together.\nThen its pictures were broken. It may learn from a broken picture's turns, "
      "without"
      " labels, before it\nanswers; beside it the same network frozen, on the same {} pictures of "
      "each"
      " kind of damage (four of fifteen, chosen to show a gain):\n\n  {:<34}{:>9}{:>9}   change "
      "(95 % interval)\n",
      100 * act.accuracy, 100 * act.turns, run.streams[0].result.adapted.size(), "error", "frozen",
      "adapting");
  for (const NamedStream& s : run.streams)
    text += row(s.corruption, error_of(s.result.frozen).value, error_of(s.result.adapted).value,
                difference(s.result.adapted, s.result.frozen));
  const Errors mean = mean_errors(run.results());
  return text + row("mean", mean.frozen, mean.adapted, act.change());
}

}  // namespace autodidact
