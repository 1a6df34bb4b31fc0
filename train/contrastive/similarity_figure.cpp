#include "train/contrastive/similarity_figure.h"
#include <algorithm>
#include <numeric>

namespace autodidact {
namespace {

PlotLine line_of(const std::string& name, const std::vector<int64_t>& bins) {
  PlotLine line{name, {}, {}};
  const int64_t total = std::accumulate(bins.begin(), bins.end(), int64_t(0));
  for (size_t i = 0; i < bins.size(); ++i) {
    line.x.push_back((double(i) + 0.5) / double(bins.size()) * 2 - 1);
    line.y.push_back(double(bins[i]) / double(std::max<int64_t>(1, total)));
  }
  return line;
}

}  // namespace

Figure similarity_figure(const SimilarityHistogram& similar, int64_t epoch) {
  const int64_t pictures =
      std::accumulate(similar.positive.begin(), similar.positive.end(), int64_t(0));
  LinePlot plot{"", "cosine of two views' embeddings", "part of the pairs"};
  plot.lines = {line_of("of one picture", similar.positive),
                line_of("of two pictures", similar.negative)};
  return {"How alike views are, epoch " + std::to_string(epoch),
          std::to_string(pictures) + " test pictures",
          {plot}};
}

}  // namespace autodidact
