// How a set of embeddings on the unit sphere lies: is it collapsing (all pictures in one place, or
// in few directions), and how well does it do the two things that a contrastive loss asks for?
#pragma once
#include <vector>
#include "engine/tensor.h"

namespace autodidact {

// z: f32 [n, d], rows of length 1.

// The standard deviation of each dimension, its mean over the dimensions, times sqrt(d): 1 where
// rows are spread evenly over the sphere, 0 where they are one point (Chen & He 2021, section 4.1).
double relative_std(const Tensor& z);

// exp of the entropy of the singular values of the centred z, as parts of their sum (Roy & Vetterli
// 2007): between 1 (one direction) and d; 0 for one point.
double effective_rank(const Tensor& z);

// Mean squared distance of views of one picture; 0 is best (Wang & Isola 2020). a, b: [n, d]
double alignment(const Tensor& a, const Tensor& b);

// log of the mean of exp(-2 |zi - zj|^2) over pairs of pictures: 0 for one point, about -4 for an
// even spread (Wang & Isola 2020, t = 2).
double uniformity(const Tensor& z);

// Cosines of views of one picture, and of views of different ones, in `bins` equal parts of [-1,
// 1].
struct SimilarityHistogram {
  std::vector<int64_t> positive, negative;
  double positive_mean = 0, negative_mean = 0;
};
SimilarityHistogram similarity_histogram(const Tensor& a, const Tensor& b, int bins = 40);

// Says when embeddings have been in one place for many steps together.
class CollapseWatch {
 public:
  // Below this a training step's embeddings count as collapsed: an untrained network's lie at 0.2
  // and above, and a batch in one place at 1e-3 (rounding) and below.
  static constexpr double kLeastStd = 0.02;
  static constexpr int kSteps = 10;
  explicit CollapseWatch(int steps = 0) : steps_(steps) {}
  int steps() const { return steps_; }  // collapsed ones in a row, up to now
  // True once, at the kSteps-th collapsed step in a row.
  bool see(double std) {
    steps_ = std < kLeastStd ? steps_ + 1 : 0;
    return steps_ == kSteps;
  }

 private:
  int steps_;
};

}  // namespace autodidact
