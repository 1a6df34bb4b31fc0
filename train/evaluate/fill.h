// Hidden pixels guessed without a network: what a reconstruction has to be better than.
#pragma once
#include <string>
#include <vector>
#include "engine/ops.h"
#include "train/data/dataset.h"

namespace autodidact {

// All take pictures [N, side, side, 3] f32 and give the same with the hidden patches filled in.

// Every hidden pixel is the mean of the picture's visible ones, a channel each.
Tensor mean_fill(const Tensor& pictures, const PatchMask& mask, int patch);

// The hidden pixels solve Laplace's equation with the visible ones as boundary values (nothing
// flows across the picture's border): the smoothest surface through what is seen. Successive
// over-relaxation until no pixel moves by more than 1e-5.
Tensor harmonic_fill(const Tensor& pictures, const PatchMask& mask, int patch);

// The best guess that is linear in the visible pixels: the conditional mean of a Gaussian with the
// mean and covariance of training pictures (ridge regression of each hidden pixel on all visible
// ones).
class LinearFill {
 public:
  // training: at most this many pictures are used. The ridge is chosen among a few on 200 of them
  // that are held out, with the first of the masks.
  LinearFill(const Dataset& training, int side, int64_t pictures, const PatchMask& mask, int patch);
  // One mask for all pictures: row `of` of `mask`.
  Tensor fill(const Tensor& pictures, const PatchMask& mask, int of, int patch) const;
  double ridge() const { return ridge_; }
  int64_t pictures() const { return pictures_; }

 private:
  Tensor fill(const Tensor& pictures, const std::vector<int>& hidden,
              const std::vector<int>& visible, double ridge) const;
  std::vector<double> mean_;
  Tensor covariance_;  // f32 [D, D], D = side side 3
  double ridge_ = 0;
  int64_t pictures_ = 0;
};

}  // namespace autodidact
