// Weighted k nearest neighbours by cosine similarity (Wu et al. 2018, section 3.4): a query's class
// is the one with the largest sum of exp(similarity / temperature) over its k nearest neighbours in
// the bank. Exact; memory is bounded by a tile of similarities, whatever the size of the bank.
#pragma once
#include <cstdint>
#include <vector>
#include "engine/tensor.h"

namespace autodidact {

struct Neighbors {
  int k = 0;
  std::vector<int32_t> index;     // [queries, k], nearest first; of equals the lower index first
  std::vector<float> similarity;  // [queries, k]
};

// queries: f32 [queries, cols]; bank: f32 [bank, cols], k <= bank. Not normalised; a row of zeros
// has similarity 0 with everything.
Neighbors nearest_neighbors(const Tensor& queries, const Tensor& bank, int k);

struct KnnOptions {
  int k = 200;  // lightly's defaults; solo-learn: 20, 0.07
  double temperature = 0.1;
};

// The class of each query. bank_labels: [bank], 0 .. classes-1; of equal votes the lower class.
std::vector<int32_t> knn_vote(const Neighbors& neighbors, const std::vector<int32_t>& bank_labels,
                              int classes, double temperature);

}  // namespace autodidact
