// What an `adapt` run leaves to look at, from the streams that its metrics.jsonl holds.
#pragma once
#include <optional>
#include "train/pictures/canvas.h"
#include "ttt/adaptation.h"

namespace autodidact {

// Errors by corruption with 95 % intervals, frozen and adapted.
IntervalPlot error_plot(const AdaptRun& run);
// Accuracy along the stream in twenty parts, the mean over the corruptions.
Figure stream_figure(const AdaptRun& run);
// What a stream gained beside how far the gradients of its pictures agree (Sun et al. 2020, figure
// 4): a point a stream.
Figure gradient_figure(const AdaptRun& run);
// Pearson's r of the two; none: fewer than three streams were measured. Not finite where one of
// them is the same in every stream, or where an inner product is not finite.
struct Correlation {
  double r;
  int64_t streams;
  std::string not_finite;    // the first stream whose inner product is not; "": all are
  std::string text() const;  // r, or why there is none, and the number of streams
};
std::optional<Correlation> gradient_correlation(const AdaptRun& run);

}  // namespace autodidact
