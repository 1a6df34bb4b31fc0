// The pictures that the demo leaves behind.
#pragma once
#include <string>
#include <vector>
#include "train/evaluate/few_labels.h"
#include "train/pictures/canvas.h"

namespace autodidact {

// What the network is given: a row of pictures, and below each the crops, flips and turns that were
// drawn for it in three epochs, with the answer it has to find.
ImageGrid augmented_samples(const DatasetPtr& data, const Normalization& n, int crop_padding,
                            bool flip, uint64_t seed);

// Loss and accuracy of a rotation run, from its metrics.jsonl.
Figure learning_curves(const std::string& metrics_file);

struct Curve {
  std::string name;
  std::vector<FewLabelPoint> points;
  bool dashed = false;
  int colour = 0;
};
Figure few_label_figure(const std::vector<Curve>& curves, double chance);

}  // namespace autodidact
