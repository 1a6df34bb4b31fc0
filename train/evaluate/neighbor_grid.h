// The nearest neighbours of fixed queries, as a picture: one row a query, its neighbours in the
// training split from the left, with their class and cosine similarity.
#pragma once
#include "train/evaluate/features.h"
#include "train/pictures/canvas.h"

namespace autodidact {

// train, test: pictures_of the features. The queries are the first test picture of each class (at
// most ten), the same whatever is judged.
ImageGrid neighbor_grid(const std::string& what, const SplitFeatures& features,
                        const std::string& block, const DatasetPtr& train, const DatasetPtr& test);

}  // namespace autodidact
