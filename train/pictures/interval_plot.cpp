// Rows of values with whiskers on one horizontal axis that begins at zero: what differs between the
// rows is read downwards, and long names have room.
#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include "engine/check.h"
#include "train/pictures/canvas.h"
#include "train/pictures/paint.h"

namespace autodidact {
namespace {

constexpr double kNames = 150, kWidth = 420, kRow = 18, kMargin = 16;
const TextStyle kTitle{15, kInk, Align::left, true}, kSubtitle{11, kFaint, Align::left, false},
    kName{11, kInk, Align::right, false}, kTick{10, kFaint, Align::centre, false},
    kLabel{11, kInk, Align::centre, false}, kLegend{10.5, kInk, Align::left, false};

double largest_of(const IntervalPlot& plot) {
  double most = 0;
  for (auto& row : plot.rows)
    for (auto& v : row.values)
      if (std::isfinite(v.value + v.half)) most = std::max(most, v.value + v.half);
  return most > 0 ? most : 1;
}

}  // namespace

void draw(const std::string& path, const IntervalPlot& plot) {
  for (auto& row : plot.rows)
    check(row.values.size() == plot.series.size(), "draw: row '", row.name, "' has ",
          row.values.size(), " values, there are ", plot.series.size(), " series");
  double top = kMargin;
  if (!plot.title.empty()) top += 20;
  if (!plot.subtitle.empty()) top += 18;
  top += 22;  // the legend
  const double left = kMargin + kNames, right = left + kWidth,
               bottom = top + kRow * double(plot.rows.size()) + 6, width = right + kMargin;
  Canvas canvas(width, bottom + 46, is_svg(path));
  double y = 28;
  if (!plot.title.empty()) {
    canvas.text(kMargin, y, canvas.fitted(plot.title, width - 2 * kMargin, kTitle), kTitle);
    y += 19;
  }
  if (!plot.subtitle.empty())
    canvas.text(kMargin, y, canvas.fitted(plot.subtitle, width - 2 * kMargin, kSubtitle),
                kSubtitle);
  double at = left;
  for (size_t s = 0; s < plot.series.size(); ++s) {
    const std::string name = canvas.fitted(plot.series[s], kWidth / 3, kLegend);
    canvas.marker(at + 4, top - 10, kPalette[s % size_t(kColours)], s);
    canvas.text(at + 14, top - 6, name, kLegend);
    at += 14 + canvas.text_width(name, kLegend) + 18;
  }

  const double largest = largest_of(plot);
  auto x_at = [&](double v) { return left + v / largest * (kWidth - 8); };
  for (double v : round_ticks(0, largest)) {
    canvas.line(x_at(v), top, x_at(v), bottom, kRule);
    canvas.text(x_at(v), bottom + 14, fmt::format("{:.4g}", v), kTick);
  }
  canvas.text((left + right) / 2, bottom + 32, plot.x_label, kLabel);
  for (size_t r = 0; r < plot.rows.size(); ++r) {
    const double middle = top + kRow * (double(r) + 0.5) + 3;
    canvas.text(left - 8, middle + 4, canvas.fitted(plot.rows[r].name, kNames, kName), kName);
    const double apart = 4, first = middle - apart * (double(plot.series.size()) - 1) / 2;
    for (size_t s = 0; s < plot.series.size(); ++s) {
      const auto& v = plot.rows[r].values[s];
      if (!std::isfinite(v.value + v.half)) continue;
      const Colour colour = kPalette[s % size_t(kColours)];
      const double height = first + apart * double(s);
      canvas.line(x_at(std::max(0.0, v.value - v.half)), height, x_at(v.value + v.half), height,
                  colour, 1.5);
      canvas.marker(x_at(v.value), height, colour, s);
    }
  }
  canvas.write(path);
}

}  // namespace autodidact
