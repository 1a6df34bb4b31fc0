// Random views of a batch for contrastive learning: the recipe's keys, and the engine's side of
// kernels/view.h.
#pragma once
#include "kernels/view.h"
#include "train/augment.h"
#include "train/recipe.h"

namespace autodidact {

struct ViewOptions {
  ViewRanges ranges;
  bool cubic = false;
  int size = 0;              // of a view; 0: as the pictures
  double blur_kernel = 0.1;  // its width, as a part of the view's
  Normalization normalization;
  uint64_t seed = 1;
};

struct ViewKeys {
  double crop_area = 0.08, jitter = 0.8, brightness = 0.4, contrast = 0.4, saturation = 0.4,
         hue = 0.1, grey = 0.2, blur = 0, blur_kernel = 0.1, solarize = 0;
  bool flip = true;
  int64_t view_size = 0;
  std::string interpolation = "bilinear", normalization = "half";

  void visit(Keys& k);
  ViewOptions options(uint64_t seed) const;
};

// Row r of the result is view `view` of picture `picture` of the batch.
struct ViewOf {
  int picture;
  uint32_t view;
};
// [rows, size, size, 3]. Draws depend on (seed, epoch, sample, view) alone. Made by the CPU, then
// brought to the device.
Tensor render_views(const Batch& batch, const std::vector<ViewOf>& rows, const ViewOptions& options,
                    Dtype dtype, Device device = Device::cpu);
// Rows 0 .. count - 1: this view of each picture, in the order of the batch.
std::vector<ViewOf> views_in_order(int count, uint32_t view);

}  // namespace autodidact
