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
// Pearson's r of the two, and of how many streams; none: fewer than three were measured.
struct Correlation {
  double r;
  int64_t sets;
};
std::optional<Correlation> gradient_correlation(const AdaptRun& run);

}  // namespace autodidact
