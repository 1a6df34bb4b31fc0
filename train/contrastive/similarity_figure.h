#pragma once
#include "train/contrastive/health.h"
#include "train/pictures/canvas.h"

namespace autodidact {

// Two lines over the cosine: the part of the pairs of views of one picture, and of two pictures, in
// each bin, at the bin's middle.
Figure similarity_figure(const SimilarityHistogram& similar, int64_t epoch);

}  // namespace autodidact
