#include "train/evaluate/neighbor_grid.h"
#include <fmt/format.h>
#include "train/evaluate/knn.h"

namespace autodidact {

ImageGrid neighbor_grid(const std::string& what, const SplitFeatures& features,
                        const std::string& block, const DatasetPtr& train, const DatasetPtr& test) {
  constexpr int kNeighbors = 8;
  constexpr size_t kQueries = 10;
  const std::vector<std::string>& classes = train->classes();
  std::vector<int64_t> queries;
  std::vector<bool> seen(classes.size() + 1, false);
  for (int64_t i = 0; i < test->size() && queries.size() < kQueries; ++i) {
    const size_t label = size_t(test->label(i) + 1);  // 0: none
    if (label > classes.size() || (label > 0 && seen[label])) continue;
    seen[label] = true, queries.push_back(i);
  }
  auto class_of = [&](int label) { return label < 0 ? std::string("?") : classes[size_t(label)]; };

  const size_t b = features.find(block);
  check(features.train.labels.size() == size_t(train->size()) &&
            features.test.labels.size() == size_t(test->size()),
        "neighbours: a row a picture is expected");
  const Tensor &bank = features.train.blocks[b].x, &all = features.test.blocks[b].x;
  Tensor asked = empty({int(queries.size()), all.shape[1]});
  for (size_t q = 0; q < queries.size(); ++q) {
    Tensor row = view_rows(asked, int(q), int(q) + 1);
    copy(row, view_rows(all, int(queries[q]), int(queries[q]) + 1));
  }
  const int k = int(std::min<int64_t>(kNeighbors, train->size()));
  Neighbors found = nearest_neighbors(asked, bank, k);

  ImageGrid grid;
  grid.title = "Nearest neighbours";
  grid.subtitle = fmt::format(
      "{}; cosine similarity in block {} ({} numbers); left: test pictures, right: the "
      "nearest of {} training pictures",
      what, block, bank.shape[1], train->size());
  grid.columns = 1 + k;
  for (size_t q = 0; q < queries.size(); ++q) {
    const int label = test->label(queries[q]);
    grid.cells.push_back({test->image(queries[q]), class_of(label), Mark::query});
    for (size_t n = q * size_t(k); n < (q + 1) * size_t(k); ++n) {
      const int neighbor = train->label(found.index[n]);
      Mark mark = Mark::none;
      if (label >= 0 && neighbor >= 0) mark = neighbor == label ? Mark::right : Mark::wrong;
      grid.cells.push_back({train->image(found.index[n]),
                            fmt::format("{} {:.2f}", class_of(neighbor), found.similarity[n]),
                            mark});
    }
  }
  return grid;
}

}  // namespace autodidact
