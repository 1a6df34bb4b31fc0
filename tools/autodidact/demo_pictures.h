// The pictures that the demo leaves behind.
#pragma once
#include <string>
#include <vector>
#include "train/evaluate/few_labels.h"
#include "train/pictures/augmented.h"

namespace autodidact {

// A row a picture: as it is, and the crops, flips and turns that were drawn for it in two epochs,
// each with the answer that the network has to find.
ImageGrid augmented_samples(const DatasetPtr& data, const Augmentation& augmentation, int side);

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
