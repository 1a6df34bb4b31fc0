// Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) as timm's Mixup in its batch mode: one
// share and one box a batch, each picture mixed with the one as far from the batch's other end.
#pragma once
#include "train/augment.h"
#include "train/recipe.h"

namespace autodidact {

struct MixKeys {
  double mixup = 0, cutmix = 0;  // timm's names
  void visit(Keys& k);
  bool any() const { return mixup > 0 || cutmix > 0; }
};

struct Mix {
  int top, bottom, left, right;  // the box: rows [top, bottom), columns [left, right)
  float keep;                    // what is left of a picture inside of the box
  float share;                   // of the target that is the picture's own label
};
// Draws depend on (seed, epoch, batch) alone.
Mix draw_mix(const MixKeys& keys, uint64_t seed, const Batch& batch);
// The box of CutMix of a share before it is rounded and cut at the borders, around a centre; its
// share is what is left outside.
Mix cutmix_box(double share, int row, int col, int side);

// Mixes the pictures of an augmented batch, and writes in.partners and in.shares.
void mix(NetworkInput& in, const Mix& m, std::vector<int32_t> labels);

}  // namespace autodidact
