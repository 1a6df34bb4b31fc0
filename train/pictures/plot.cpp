// Line plots, one or more panels side by side: light horizontal rules, few ticks, a legend above.
#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include "engine/check.h"
#include "train/pictures/canvas.h"
#include "train/pictures/paint.h"

namespace autodidact {
namespace {

constexpr double kPanelWidth = 420, kPlotHeight = 250, kLeft = 62, kRight = 18, kBottom = 46;
const TextStyle kTitle{15, kInk, Align::left, true}, kSubtitle{11, kFaint, Align::left, false},
    kPanelTitle{12, kInk, Align::left, true}, kTick{10, kFaint, Align::right, false},
    kTickBelow{10, kFaint, Align::centre, false}, kLabel{11, kInk, Align::centre, false},
    kLegend{10.5, kInk, Align::left, false};

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double v) {
    if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  }
  double part(double v) const { return (v - low) / (high - low); }
};

// 1, 2, 5 in each power of ten, or the powers alone where there are many.
std::vector<double> log_ticks(Range r) {
  std::vector<double> ticks;
  bool many = r.high / r.low > 1000;
  for (double p = std::pow(10, std::floor(std::log10(r.low))); p <= r.high; p *= 10)
    for (double t : {1.0, 2.0, 5.0})
      if ((!many || t == 1) && p * t >= r.low && p * t <= r.high) ticks.push_back(p * t);
  return ticks;
}

// In thousands or millions where the largest number of the axis asks for it.
std::string number(double v, double largest) {
  if (std::abs(v) < 1e-12) return "0";
  if (largest >= 2e6) return fmt::format("{:.4g}M", v / 1e6);
  if (largest >= 1e4) return fmt::format("{:.4g}k", v / 1e3);
  return fmt::format("{:.4g}", v);
}

Range x_range(const LinePlot& p) {
  Range r;
  for (auto& l : p.lines)
    for (double x : l.x)
      if (!p.log_x || x > 0) r.add(x);
  if (!(r.low <= r.high)) r = {p.log_x ? 1.0 : 0.0, p.log_x ? 10.0 : 1.0};
  if (r.low == r.high)
    r = p.log_x ? Range{r.low / 2, r.high * 2} : Range{r.low - 0.5, r.high + 0.5};
  return r;
}
Range y_range(const LinePlot& p) {
  Range r;
  for (auto& l : p.lines)
    for (double y : l.y) r.add(y);
  for (auto& g : p.guides) r.add(g.y);
  if (!(r.low <= r.high)) r = {0, 1};
  double air = r.high > r.low ? (r.high - r.low) * 0.06 : std::max(1e-3, std::abs(r.low) * 0.1);
  // A quantity that is never negative is not shown as if it could be.
  r = {r.low >= 0 ? std::max(0.0, r.low - air) : r.low - air, r.high + air};
  if (std::isfinite(p.y_low)) r.low = p.y_low;
  if (std::isfinite(p.y_high)) r.high = p.y_high;
  if (!(r.low < r.high)) r.high = r.low + 1;
  return r;
}

void set_dash(cairo_t* c, size_t index, bool dashed) {
  constexpr double kDashes[][4] = {{6, 3, 6, 3}, {2, 2, 2, 2}, {8, 3, 2, 3}};
  if (dashed) cairo_set_dash(c, kDashes[0], 4, 0);
  else if (index >= size_t(kColours)) cairo_set_dash(c, kDashes[1 + index % 2], 4, 0);
  else cairo_set_dash(c, nullptr, 0, 0);
}

Colour colour_of(const PlotLine& line, size_t index) {
  return kPalette[(line.colour >= 0 ? size_t(line.colour) : index) % size_t(kColours)];
}

bool marked(const PlotLine& line) { return !line.joined || line.x.size() <= 24; }

// Rows of legend entries; returns the height taken. Without drawing where canvas rows are counted.
double legend(Canvas& canvas, const LinePlot& p, double x, double y, bool paint) {
  double at = x, right = x + kPanelWidth - kLeft - kRight, row = 0;
  for (size_t i = 0; i < p.lines.size(); ++i) {
    const PlotLine& line = p.lines[i];
    if (line.name.empty()) continue;
    std::string name = canvas.fitted(line.name, right - x - 30, kLegend);
    double width = 26 + canvas.text_width(name, kLegend) + 14;
    if (at > x && at + width > right + 14) at = x, row += 16;
    if (paint) {
      Colour colour = colour_of(line, i);
      set_dash(canvas.handle(), i, line.dashed);
      if (line.joined) canvas.line(at, y + row - 4, at + 20, y + row - 4, colour, 2);
      cairo_set_dash(canvas.handle(), nullptr, 0, 0);
      if (marked(line)) canvas.marker(at + 10, y + row - 4, colour, i);
      canvas.text(at + 26, y + row, name, kLegend);
    }
    at += width;
  }
  return at > x || row > 0 ? row + 20 : 0;
}

void panel(Canvas& canvas, const LinePlot& p, double left, double top) {
  cairo_t* c = canvas.handle();
  const double right = left + kPanelWidth - kLeft - kRight, bottom = top + kPlotHeight;
  const Range xs = x_range(p), ys = y_range(p);
  auto x_at = [&](double x) {
    double part = p.log_x ? std::log(x / xs.low) / std::log(xs.high / xs.low) : xs.part(x);
    return left + 6 + part * (right - left - 12);
  };
  auto y_at = [&](double y) { return bottom - ys.part(y) * (bottom - top); };

  for (double t : round_ticks(ys.low, ys.high)) {
    canvas.line(left, y_at(t), right, y_at(t), kRule);
    canvas.text(left - 7, y_at(t) + 3.5, number(t, ys.high), kTick);
  }
  canvas.line(left, bottom, right, bottom, kFaint);
  for (double t : !p.x_ticks.empty() ? p.x_ticks
                  : p.log_x          ? log_ticks(xs)
                                     : round_ticks(xs.low, xs.high)) {
    canvas.line(x_at(t), bottom, x_at(t), bottom + 4, kFaint);
    canvas.text(x_at(t), bottom + 16, number(t, xs.high), kTickBelow);
  }
  canvas.text((left + right) / 2, bottom + 34, p.x_label, kLabel);
  canvas.upward_text(left - 46, (top + bottom) / 2, p.y_label, kLabel);

  cairo_save(c);
  cairo_rectangle(c, left, top - 2, right - left, bottom - top + 4);
  cairo_clip(c);
  for (auto& g : p.guides) {
    constexpr double kDots[] = {1.5, 3};
    cairo_set_dash(c, kDots, 2, 0);
    canvas.line(left, y_at(g.y), right, y_at(g.y), kFaint, 1.2);
    cairo_set_dash(c, nullptr, 0, 0);
  }
  cairo_set_line_join(c, CAIRO_LINE_JOIN_ROUND);
  for (size_t i = 0; i < p.lines.size(); ++i) {
    const PlotLine& line = p.lines[i];
    check(line.x.size() == line.y.size(), "draw: line '", line.name, "' has ", line.x.size(),
          " x and ", line.y.size(), " y");
    Colour colour = colour_of(line, i);
    cairo_set_source_rgb(c, colour.r, colour.g, colour.b);
    cairo_set_line_width(c, 2);
    set_dash(c, i, line.dashed);
    auto shown = [&](size_t k) {
      return std::isfinite(line.x[k]) && std::isfinite(line.y[k]) && (!p.log_x || line.x[k] > 0);
    };
    for (size_t k = 0; k < line.x.size() && line.joined; ++k)
      if (shown(k)) {
        if (k == 0 || !shown(k - 1)) cairo_move_to(c, x_at(line.x[k]), y_at(line.y[k]));
        else cairo_line_to(c, x_at(line.x[k]), y_at(line.y[k]));
      }
    cairo_stroke(c);
    cairo_set_dash(c, nullptr, 0, 0);
    for (size_t k = 0; k < line.x.size() && marked(line); ++k)
      if (shown(k)) canvas.marker(x_at(line.x[k]), y_at(line.y[k]), colour, i);
  }
  for (auto& g : p.guides) {  // over the lines, on paper of its own
    const double width = canvas.text_width(g.name, kTick) + 6;
    cairo_set_source_rgba(c, kPaper.r, kPaper.g, kPaper.b, 0.85);
    cairo_rectangle(c, right - 1 - width, y_at(g.y) - 14, width, 13);
    cairo_fill(c);
    canvas.text(right - 4, y_at(g.y) - 4, g.name, kTick);
  }
  cairo_restore(c);
}

}  // namespace

void draw(const std::string& path, const Figure& figure) {
  check(!figure.panels.empty(), "draw: a figure needs at least 1 panel");
  double head = 14;
  if (!figure.title.empty()) head += 22;
  if (!figure.subtitle.empty()) head += 18;
  double above = 0;  // the tallest of titles and legends
  Canvas measure(1, 1, is_svg(path));
  for (auto& p : figure.panels)
    above = std::max(above, legend(measure, p, 0, 0, false) + (p.title.empty() ? 0.0 : 20.0));
  const double width = kPanelWidth * double(figure.panels.size()) + 10, top = head + above + 14;
  Canvas canvas(width, top + kPlotHeight + kBottom, is_svg(path));
  double y = 28;
  if (!figure.title.empty()) {
    canvas.text(16, y, canvas.fitted(figure.title, width - 32, kTitle), kTitle);
    y += 19;
  }
  if (!figure.subtitle.empty())
    canvas.text(16, y, canvas.fitted(figure.subtitle, width - 32, kSubtitle), kSubtitle);
  for (size_t i = 0; i < figure.panels.size(); ++i) {
    const LinePlot& p = figure.panels[i];
    const double left = kPanelWidth * double(i) + kLeft;
    double at = head + 14;
    if (!p.title.empty()) {
      canvas.text(left, at, canvas.fitted(p.title, kPanelWidth - kLeft - kRight, kPanelTitle),
                  kPanelTitle);
      at += 20;
    }
    legend(canvas, p, left, at, true);
    panel(canvas, p, left, top);
  }
  canvas.write(path);
}

}  // namespace autodidact
