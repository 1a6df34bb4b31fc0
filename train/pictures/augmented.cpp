#include "train/pictures/augmented.h"
#include <algorithm>
#include <cmath>
#include "engine/dispatch.h"
#include "train/classification.h"

namespace autodidact {
namespace {

// x: f32 [n, side, side, 3], normalised; the n-th picture of it.
Image denormalized(const Tensor& x, int n, int side, const Normalization& by) {
  const size_t values = size_t(side) * size_t(side) * 3;
  const float* from = ptr<float>(x) + size_t(n) * values;
  Image image{side, side, std::vector<uint8_t>(values)};
  for (size_t i = 0; i < values; ++i) {
    float v = (from[i] * by.std[i % 3] + by.mean[i % 3]) * 255;
    image.rgb[i] = uint8_t(std::clamp(std::lround(v), 0l, 255l));
  }
  return image;
}

struct ShownKeys {
  AugmentationKeys augmentation;
  std::string rotations = "none";
  int64_t seed = 1;
  void visit(Keys& k) {
    augmentation.visit(k);
    k("rotations", rotations, "as train rotation takes it", {"none", "random", "all"});
    k("seed", seed, "of the augmentation", 0, int64_t(1) << 62);
  }
};

}  // namespace

Augmentation augmentation_of(Recipe& recipe) {
  ShownKeys keys;
  recipe.read(keys);
  Augmentation a = keys.augmentation.options(uint64_t(keys.seed));
  if (keys.rotations != "none")
    a.rotation = keys.rotations == "all" ? Rotation::all : Rotation::random;
  return a;
}

bool draws_views(const Recipe& recipe) { return recipe.has("crop_area"); }

ViewOptions views_of(Recipe& recipe) {
  struct {
    ViewKeys views;
    int64_t seed = 1;
    void visit(Keys& k) {
      views.visit(k);
      k("seed", seed, "of the views", 0, int64_t(1) << 62);
    }
  } keys;
  recipe.read(keys);
  return keys.views.options(uint64_t(keys.seed));
}

namespace {

// A row a sample, the picture as it is first; the cells behind it are filled in by `at`.
struct Rows {
  Batch batch;
  ImageGrid grid;

  Rows(const DatasetPtr& data, const std::vector<int64_t>& samples, int side, int columns) {
    batch.count = int(samples.size()), batch.side = side;
    batch.samples = samples;
    const size_t values = size_t(side) * size_t(side) * 3;
    batch.images.resize(samples.size() * values);
    grid.columns = columns;
    grid.column_heads.push_back("the picture");
    grid.cells.resize(samples.size() * size_t(columns));
    for (size_t i = 0; i < samples.size(); ++i) {
      load_square(&batch.images[i * values], *data, samples[i], side);
      auto first = batch.images.begin() + int64_t(i * values);
      int label = data->label(samples[i]);
      at(int(i), 0) = {{side, side, {first, first + int64_t(values)}},
                       label >= 0 ? data->classes()[size_t(label)] : "",
                       Mark::query};
    }
  }
  GridCell& at(int row, int column) {
    return grid.cells[size_t(row) * size_t(grid.columns) + size_t(column)];
  }
};

}  // namespace

ImageGrid augmented_grid(const DatasetPtr& data, const std::vector<int64_t>& samples, int side,
                         const Augmentation& augmentation, int versions) {
  const int turns = augmentation.rotation == Rotation::all ? 4 : 1;
  Rows rows(data, samples, side, 1 + versions * turns);
  for (int v = 0; v < versions; ++v) {
    for (int t = 0; t < turns; ++t)
      rows.grid.column_heads.push_back(t == 0 ? "epoch " + std::to_string(v) : "");
    rows.batch.epoch = v;
    NetworkInput in = augment(rows.batch, augmentation, Dtype::f32);
    for (int n = 0; n < rows.batch.count * turns; ++n) {
      GridCell& c = rows.at(n / turns, 1 + v * turns + n % turns);
      c.image = denormalized(in.x, n, side, augmentation.normalization);
      if (augmentation.rotation != Rotation::none)
        c.caption = std::to_string(90 * ptr<int32_t>(in.turns)[n]) + "°";
    }
  }
  return rows.grid;
}

ImageGrid view_grid(const DatasetPtr& data, const std::vector<int64_t>& samples, int side,
                    const ViewOptions& views, int epochs) {
  Rows rows(data, samples, side, 1 + 2 * epochs);
  for (int e = 0; e < epochs; ++e) {
    rows.batch.epoch = e;
    for (uint32_t view : {0u, 1u}) {
      rows.grid.column_heads.push_back(view == 0 ? "epoch " + std::to_string(e) : "");
      Tensor x =
          render_views(rows.batch, views_in_order(rows.batch.count, view), views, Dtype::f32);
      for (int n = 0; n < rows.batch.count; ++n)
        rows.at(n, 1 + 2 * e + int(view)).image =
            denormalized(x, n, x.shape[1], views.normalization);
    }
  }
  return rows.grid;
}

}  // namespace autodidact
