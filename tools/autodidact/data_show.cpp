// autodidact data show: a picture of samples as they are, or as a recipe's augmentation makes them.
#include <fmt/format.h>
#include <algorithm>
#include <iostream>
#include "engine/check.h"
#include "tools/autodidact/data.h"
#include "train/data/names.h"
#include "train/data/readable.h"
#include "train/data/shuffle.h"
#include "train/pictures/augmented.h"

namespace autodidact {
namespace {

// n samples chosen by the seed; where there are classes, as many of each, class by class.
std::vector<int64_t> choose(const Dataset& data, int64_t n, uint64_t seed) {
  auto order = permutation(data.size(), seed, Stream::subset, uint32_t(Choice::shown));
  const size_t classes = data.classes().size();
  if (classes == 0) return {order.begin(), order.begin() + n};
  const int64_t each = std::max<int64_t>(1, n / int64_t(classes));
  std::vector<int64_t> taken(classes), chosen;
  for (int64_t i : order) {
    int label = data.label(i);
    if (label >= 0 && taken[size_t(label)] < each && int64_t(chosen.size()) < n)
      ++taken[size_t(label)], chosen.push_back(i);
  }
  std::stable_sort(chosen.begin(), chosen.end(),
                   [&](int64_t a, int64_t b) { return data.label(a) < data.label(b); });
  return chosen;
}

ImageGrid plain_grid(const Dataset& data, const std::vector<int64_t>& chosen) {
  ImageGrid grid;
  grid.columns = 10;
  for (int64_t i : chosen) {
    GridCell cell;
    if (int label = data.label(i); label >= 0) cell.caption = data.classes()[size_t(label)];
    try {
      cell.image = data.image(i, 320);
    } catch (const Error& e) {
      if (e.kind != ErrorKind::data) throw;
      std::cerr << "autodidact: " << e.what() << '\n';
      cell.caption = "damaged";
    }
    grid.cells.push_back(std::move(cell));
  }
  return grid;
}

// What the recipe's training sees of these samples; damaged ones are taken out of `chosen`.
ImageGrid recipe_grid(const DataOptions& o, const DatasetPtr& data, std::vector<int64_t>& chosen) {
  Recipe recipe = o.recipe.empty() ? Recipe() : Recipe(o.recipe), set;
  for (auto& s : o.sets) recipe.set(s), set.set(s);
  // A recipe has keys that do not concern its pictures; what is set here has to.
  if (draws_views(recipe)) views_of(set);
  else augmentation_of(set);
  set.check_all_known();
  const std::vector<std::string> reasons = damages(*subset(data, chosen, "samples"));
  std::vector<BadFile> bad;
  for (size_t i = 0; i < reasons.size(); ++i)
    if (!reasons[i].empty()) bad.push_back({chosen[i], reasons[i]});
  for (const BadFile& b : bad) std::erase(chosen, b.sample);
  Progress progress;
  warn_left_out(progress, bad);
  if (chosen.empty()) fail(ErrorKind::data, "data show: every sample that was chosen is damaged");
  const int side = o.side > 0 ? o.side : data->side() > 0 ? data->side() : 224;
  if (draws_views(recipe)) return view_grid(data, chosen, side, views_of(recipe), 4);
  const Augmentation a = augmentation_of(recipe);
  return augmented_grid(data, chosen, side, a, a.rotation == Rotation::all ? 2 : 8);
}

}  // namespace

void show_data(DataOptions& o, const Common& common) {
  const bool augmented = !o.recipe.empty() || !o.sets.empty();
  DatasetPtr data = open_source(o);
  const int64_t wanted = o.count > 0 ? o.count : augmented ? 10 : 100;
  auto chosen = choose(*data, std::min(wanted, data->size()), o.open.seed);
  ImageGrid grid = augmented ? recipe_grid(o, data, chosen) : plain_grid(*data, chosen);
  const std::string labels =
      data->classes().empty() ? "no labels" : fmt::format("{} classes", data->classes().size());
  grid.title = data->describe();
  grid.subtitle = fmt::format("{} of {} samples, {}{}", chosen.size(), data->size(), labels,
                              o.recipe.empty() ? "" : ", as " + o.recipe + " sees them");
  draw(o.out, grid);
  Json object = data_object(o, "show", "samples chosen by the seed");
  object["picture"] = printable(o.out);
  object["shown"] = chosen;
  print_result(common, fmt::format("{} samples drawn to {}\n", chosen.size(), printable(o.out)),
               object);
}

}  // namespace autodidact
