#include "tools/autodidact/demo_pictures.h"
#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <numeric>
#include "train/metrics.h"

namespace autodidact {
namespace {

void append(PlotLine& line, double x, const std::map<std::string, double>& row, const char* key,
            double scale) {
  auto found = row.find(key);
  if (found != row.end()) line.x.push_back(x), line.y.push_back(found->second * scale);
}

}  // namespace

ImageGrid augmented_samples(const DatasetPtr& data, const Augmentation& augmentation, int side) {
  constexpr int64_t kSamples = 10;
  constexpr int kEpochs = 2;
  std::vector<int64_t> samples(size_t(std::min(kSamples, data->size())));
  std::iota(samples.begin(), samples.end(), int64_t(0));
  ImageGrid grid = augmented_grid(data, samples, side, augmentation, kEpochs);
  grid.title = "What the network sees, and what it has to tell";
  grid.subtitle = fmt::format(
      "crops of up to {} pixels{}, then turns; the answer is the turn, no label is used",
      augmentation.crop_padding, augmentation.random_flip ? ", mirrored or not" : "");
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
