#include "ttt/figures.h"
#include <fmt/format.h>
#include <algorithm>
#include <cmath>

namespace autodidact {
namespace {

std::vector<const NamedStream*> measured(const AdaptRun& run) {
  std::vector<const NamedStream*> found;
  for (const NamedStream& s : run.streams)
    if (s.result.gradient_product) found.push_back(&s);
  return found;
}

// Points of error that adapting took away.
double gain(const StreamResult& r) { return -difference(r.adapted, r.frozen).value; }

}  // namespace

IntervalPlot error_plot(const AdaptRun& run) {
  const bool adapts = run.keys.mode != "none";
  IntervalPlot plot{"Error by corruption", run.protocol, "error, % (95 % interval)", {"frozen"}};
  if (adapts) plot.series.push_back(run.keys.method + ", " + run.keys.mode);
  for (const NamedStream& s : run.streams) {
    const Interval before = error_of(s.result.frozen), after = error_of(s.result.adapted);
    plot.rows.push_back({s.corruption, {{before.value, before.half}}});
    if (adapts) plot.rows.back().values.push_back({after.value, after.half});
  }
  return plot;
}

Figure stream_figure(const AdaptRun& run) {
  const size_t pictures = run.streams[0].result.adapted.size();
  const size_t parts = std::min<size_t>(20, pictures);
  LinePlot plot{"", "pictures seen", "% right"};
  auto curve = [&](const std::string& name, std::vector<bool> StreamResult::*side) {
    PlotLine line{name};
    for (size_t p = 0; p < parts; ++p) {
      const size_t begin = pictures * p / parts, end = pictures * (p + 1) / parts;
      double right = 0;
      for (const NamedStream& s : run.streams)
        for (size_t i = begin; i < end; ++i) right += (s.result.*side)[i];
      line.x.push_back(double(end));
      line.y.push_back(100 * right / double((end - begin) * run.streams.size()));
    }
    plot.lines.push_back(line);
  };
  curve("frozen", &StreamResult::frozen);
  if (run.keys.mode != "none")
    curve(run.keys.method + ", " + run.keys.mode, &StreamResult::adapted);
  return {"Along the stream", fmt::format("mean of {} streams", run.streams.size()), {plot}};
}

std::string Correlation::text() const {
  if (std::isfinite(r)) return fmt::format("r = {:.2f} over {} streams", r, streams);
  return fmt::format("r over {} streams is not defined ({})", streams,
                     not_finite.empty() ? "no change" : "not finite in " + not_finite);
}

std::optional<Correlation> gradient_correlation(const AdaptRun& run) {
  std::vector<double> products, gains;
  std::string not_finite;
  for (const NamedStream* s : measured(run)) {
    products.push_back(*s->result.gradient_product);
    gains.push_back(gain(s->result));
    if (!std::isfinite(products.back()) && not_finite.empty()) not_finite = s->corruption;
  }
  if (products.size() < 3) return std::nullopt;  // any two points lie on a line
  return Correlation{correlation(products, gains), int64_t(products.size()), not_finite};
}

Figure gradient_figure(const AdaptRun& run) {
  LinePlot plot{"", "inner product of the gradients, mean over the stream", "error taken away, %"};
  PlotLine points{""};
  points.joined = false;
  for (const NamedStream* s : measured(run)) {
    points.x.push_back(*s->result.gradient_product);
    points.y.push_back(gain(s->result));
  }
  plot.lines = {points};
  const auto c = gradient_correlation(run);
  return {"Agreement of the gradients and gain", c ? c->text() : "", {plot}};
}

}  // namespace autodidact
