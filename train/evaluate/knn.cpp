#include "train/evaluate/knn.h"
#include <algorithm>
#include <cmath>
#include "kernels/gemm.h"
#include "kernels/parallel.h"

namespace autodidact {
namespace {

constexpr int kQueries = 256, kBank = 4096;  // of a tile of similarities: 4 MiB

std::vector<float> inverse_norms(const Tensor& x) {
  const int64_t cols = x.shape[1];
  std::vector<float> inverse(size_t(x.shape[0]));
  const float* p = ptr<float>(x);
  parallel_for(x.shape[0], 256, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      double squares = 0;
      for (int64_t c = 0; c < cols; ++c) squares += double(p[r * cols + c]) * p[r * cols + c];
      inverse[size_t(r)] = squares > 0 ? float(1 / std::sqrt(squares)) : 0.0f;
    }
  });
  return inverse;
}

struct Neighbor {
  float similarity;
  int32_t index;
};
bool nearer(const Neighbor& a, const Neighbor& b) {
  return a.similarity != b.similarity ? a.similarity > b.similarity : a.index < b.index;
}

// The k nearest so far as a heap whose front is the farthest of them.
void offer(std::vector<Neighbor>& heap, int k, Neighbor n) {
  if (int(heap.size()) < k) {
    heap.push_back(n);
    std::push_heap(heap.begin(), heap.end(), nearer);
  } else if (nearer(n, heap.front())) {
    std::pop_heap(heap.begin(), heap.end(), nearer);
    heap.back() = n;
    std::push_heap(heap.begin(), heap.end(), nearer);
  }
}

}  // namespace

Neighbors nearest_neighbors(const Tensor& queries, const Tensor& bank, int k) {
  check(queries.shape.rank() == 2 && bank.shape.rank() == 2 && queries.shape[1] == bank.shape[1],
        "knn: queries and bank must be [rows, cols] with the same cols, got ", queries.shape,
        " and ", bank.shape);
  check(k >= 1 && k <= bank.shape[0], "knn: k must be 1 .. ", bank.shape[0],
        ", the size of the bank, got ", k);
  const int cols = bank.shape[1], query_count = queries.shape[0], bank_count = bank.shape[0];
  const std::vector<float> query_scale = inverse_norms(queries), bank_scale = inverse_norms(bank);
  Neighbors found{k, std::vector<int32_t>(size_t(query_count) * size_t(k)),
                  std::vector<float>(size_t(query_count) * size_t(k))};
  Tensor tile = empty({kQueries, kBank});
  for (int q0 = 0; q0 < query_count; q0 += kQueries) {
    const int rows = std::min(kQueries, query_count - q0);
    std::vector<std::vector<Neighbor>> heaps(static_cast<size_t>(rows));
    for (int b0 = 0; b0 < bank_count; b0 += kBank) {
      const int width = std::min(kBank, bank_count - b0);
      run(Cpu{}, Gemm<float>{.c = ptr<float>(tile),
                             .a = ptr<float>(queries) + int64_t(q0) * cols,
                             .b = ptr<float>(bank) + int64_t(b0) * cols,
                             .m = rows,
                             .n = width,
                             .k = cols,
                             .lda = cols,
                             .ldb = cols,
                             .ldc = kBank,
                             .transpose_b = true});
      parallel_for(rows, 8, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          const float *dot = ptr<float>(tile) + r * kBank, scale = query_scale[size_t(q0 + r)];
          for (int b = 0; b < width; ++b)
            offer(heaps[size_t(r)], k, {dot[b] * scale * bank_scale[size_t(b0 + b)], b0 + b});
        }
      });
    }
    parallel_for(rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        auto& heap = heaps[size_t(r)];
        std::sort_heap(heap.begin(), heap.end(), nearer);
        for (size_t i = 0; i < size_t(k); ++i) {
          size_t at = size_t(q0 + r) * size_t(k) + i;
          found.index[at] = heap[i].index, found.similarity[at] = heap[i].similarity;
        }
      }
    });
  }
  return found;
}

std::vector<int32_t> knn_vote(const Neighbors& neighbors, const std::vector<int32_t>& bank_labels,
                              int classes, double temperature) {
  check(temperature > 0, "knn: temperature must be above 0, got ", temperature);
  const size_t k = size_t(neighbors.k), queries = neighbors.index.size() / k;
  std::vector<int32_t> voted(queries);
  std::vector<double> votes(size_t(classes), 0.0);
  for (size_t q = 0; q < queries; ++q) {
    std::fill(votes.begin(), votes.end(), 0.0);
    // Relative to the nearest, whose weight is 1: no overflow at any temperature.
    const float nearest = neighbors.similarity[q * k];
    for (size_t i = q * k; i < (q + 1) * k; ++i) {
      int32_t label = bank_labels.at(size_t(neighbors.index[i]));
      check(label >= 0 && label < classes, "knn: labels must be 0 .. ", classes - 1, ", got ",
            label);
      votes[size_t(label)] += std::exp(double(neighbors.similarity[i] - nearest) / temperature);
    }
    voted[q] = int32_t(std::max_element(votes.begin(), votes.end()) - votes.begin());
  }
  return voted;
}

}  // namespace autodidact
