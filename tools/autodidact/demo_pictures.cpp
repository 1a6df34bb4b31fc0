#include "tools/autodidact/demo_pictures.h"
#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include "train/augment.h"
#include "train/metrics.h"

namespace autodidact {
namespace {

// The n-th picture of a batch of network inputs as 8-bit colours again.
Image seen(const Tensor& x, int n, const Normalization& norm) {
  const int side = x.shape[1];
  Image image{side, side, std::vector<uint8_t>(size_t(side) * size_t(side) * 3)};
  const float* p = ptr<float>(x) + int64_t(n) * side * side * 3;
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    float v = p[i] * norm.std[i % 3] + norm.mean[i % 3];
    image.rgb[i] = uint8_t(std::lround(std::clamp(v, 0.0f, 1.0f) * 255));
  }
  return image;
}

void append(PlotLine& line, double x, const std::map<std::string, double>& row, const char* key,
            double scale) {
  auto found = row.find(key);
  if (found != row.end()) line.x.push_back(x), line.y.push_back(found->second * scale);
}

}  // namespace

ImageGrid augmented_samples(const DatasetPtr& data, const Normalization& n, int crop_padding,
                            bool flip, uint64_t seed) {
  constexpr int kSamples = 10, kEpochs = 3;
  const int side = data->side();
  Batch batch;
  batch.side = side;
  ImageGrid grid;
  grid.title = "What the network sees, and what it has to tell";
  grid.subtitle = fmt::format(
      "top: pictures; below: crop of up to {} pixels{}, then a turn; the answer is the turn, no "
      "label is used",
      crop_padding, flip ? ", mirrored or not" : "");
  for (int64_t i = 0; i < std::min<int64_t>(kSamples, data->size()); ++i) {
    Image image = data->image(i, side);
    batch.images.insert(batch.images.end(), image.rgb.begin(), image.rgb.end());
    batch.labels.push_back(data->label(i)), batch.samples.push_back(i);
    grid.cells.push_back(
        {image, data->label(i) < 0 ? "" : data->classes()[size_t(data->label(i))], Mark::none});
    ++batch.count;
  }
  grid.columns = batch.count;
  grid.row_heads = {"picture"};
  Augmentation a;
  a.crop_padding = crop_padding, a.random_crop = crop_padding > 0, a.random_flip = flip;
  a.rotation = Rotation::random, a.normalization = n, a.seed = seed;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    batch.epoch = epoch;
    NetworkInput in = augment(batch, a, Dtype::f32);
    for (int i = 0; i < batch.count; ++i)
      grid.cells.push_back(
          {seen(in.x, i, n), fmt::format("{}°", 90 * ptr<int32_t>(in.turns)[i]), Mark::none});
    grid.row_heads.push_back(fmt::format("epoch {}", epoch + 1));
  }
  return grid;
}

Figure learning_curves(const std::string& metrics_file) {
  PlotLine loss{"training", {}, {}}, test_loss{"test split", {}, {}};
  PlotLine accuracy{"training", {}, {}}, test_accuracy{"test split", {}, {}};
  for (const auto& row : read_metrics(metrics_file)) {
    const double epoch = row.at("epoch");
    append(loss, epoch, row, "loss", 1), append(test_loss, epoch, row, "test_loss", 1);
    append(accuracy, epoch, row, "accuracy", 100);
    append(test_accuracy, epoch, row, "test_accuracy", 100);
  }
  Figure figure;
  figure.title = "Learning to tell rotations, without labels";
  figure.subtitle = "training: cropped, mirrored and turned pictures; test split: all four turns";
  LinePlot left{"Cross entropy", "epoch", "nats"}, right{"Accuracy", "epoch", "% right"};
  left.lines = {loss, test_loss}, right.lines = {accuracy, test_accuracy};
  left.guides = {{"chance", std::log(4.0)}}, right.guides = {{"chance", 25}};
  right.y_low = 20, right.y_high = 100;
  figure.panels = {left, right};
  return figure;
}

Figure few_label_figure(const std::vector<Curve>& curves, double chance) {
  LinePlot plot{"", "labelled pictures a class", "% right on unseen pictures"};
  plot.log_x = true;
  for (const Curve& c : curves) {
    PlotLine line{c.name, {}, {}};
    line.dashed = c.dashed, line.colour = c.colour;
    for (const FewLabelPoint& p : c.points) {
      line.x.push_back(double(p.per_class)), line.y.push_back(100 * p.accuracy);
      if (std::find(plot.x_ticks.begin(), plot.x_ticks.end(), double(p.per_class)) ==
          plot.x_ticks.end())
        plot.x_ticks.push_back(double(p.per_class));
    }
    plot.lines.push_back(line);
  }
  plot.guides = {{"chance", 100 * chance}};
  plot.y_low = 0;
  Figure figure;
  figure.title = "What the pretext is worth when labels are few";
  figure.panels = {plot};
  return figure;
}

}  // namespace autodidact
