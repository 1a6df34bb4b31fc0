#include "train/pictures/paint.h"
#include <cairo-svg.h>
#include <cmath>
#include <memory>
#include "engine/check.h"
#include "train/data/bytes.h"
#include "train/data/names.h"

namespace autodidact {
namespace {

constexpr double kDevicePixels = 2;  // of a PNG, a unit

cairo_status_t append(void* to, const unsigned char* bytes, unsigned n) {
  auto* v = static_cast<std::vector<uint8_t>*>(to);
  v->insert(v->end(), bytes, bytes + n);
  return CAIRO_STATUS_SUCCESS;
}

void check_cairo(cairo_status_t status) {
  check(status == CAIRO_STATUS_SUCCESS, "cairo: ", cairo_status_to_string(status));
}

bool ends(const std::string& s, const std::string& tail) {
  return s.size() >= tail.size() && s.compare(s.size() - tail.size(), tail.size(), tail) == 0;
}

}  // namespace

// Steps of 1, 2 or 5 times a power of ten; + 0.0: no tick is -0.
std::vector<double> round_ticks(double low, double high) {
  double rough = (high - low) / 5, power = std::pow(10, std::floor(std::log10(rough)));
  double times = rough / power, step = (times > 5 ? 10 : times > 2 ? 5 : times > 1 ? 2 : 1) * power;
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9) + 0.0; i * step <= high + step * 1e-9; ++i)
    ticks.push_back(i * step);
  return ticks;
}

bool is_svg(const std::string& path) {
  if (!ends(path, ".svg") && !ends(path, ".png"))
    fail(ErrorKind::usage, printable(path), ": a picture's name must end in .png or .svg");
  return ends(path, ".svg");
}

Canvas::Canvas(double width, double height, bool svg) {
  surface_ = svg ? cairo_svg_surface_create_for_stream(append, &svg_bytes_, width, height)
                 : cairo_image_surface_create(CAIRO_FORMAT_RGB24, int(width * kDevicePixels),
                                              int(height * kDevicePixels));
  if (!svg) cairo_surface_set_device_scale(surface_, kDevicePixels, kDevicePixels);
  cairo_ = cairo_create(surface_);
  cairo_set_source_rgb(cairo_, kPaper.r, kPaper.g, kPaper.b);
  cairo_paint(cairo_);
}
Canvas::~Canvas() {
  cairo_destroy(cairo_);
  cairo_surface_destroy(surface_);
}

static void choose_font(cairo_t* c, const TextStyle& style) {
  cairo_select_font_face(c, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                         style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(c, style.size);
  cairo_set_source_rgb(c, style.colour.r, style.colour.g, style.colour.b);
}

double Canvas::text_width(const std::string& text, const TextStyle& style) {
  choose_font(cairo_, style);
  cairo_text_extents_t extents;
  cairo_text_extents(cairo_, printable(text).c_str(), &extents);
  return extents.x_advance;
}

void Canvas::text(double x, double y, const std::string& text, const TextStyle& style) {
  double width = text_width(text, style);
  if (style.align != Align::left) x -= style.align == Align::centre ? width / 2 : width;
  cairo_move_to(cairo_, x, y);
  cairo_show_text(cairo_, printable(text).c_str());
}

void Canvas::upward_text(double x, double y, const std::string& text, const TextStyle& style) {
  cairo_save(cairo_);
  cairo_translate(cairo_, x, y);
  cairo_rotate(cairo_, -1.5707963267948966);
  this->text(0, 0, text, style);
  cairo_restore(cairo_);
}

std::string Canvas::fitted(const std::string& text, double width, const TextStyle& style) {
  std::string shown = printable(text);
  if (text_width(shown, style) <= width) return shown;
  while (!shown.empty()) {
    while (!shown.empty() && (shown.back() & 0xc0) == 0x80) shown.pop_back();  // one UTF-8 sequence
    if (!shown.empty()) shown.pop_back();
    if (text_width(shown + "…", style) <= width) break;
  }
  return shown + "…";
}

void Canvas::line(double x0, double y0, double x1, double y1, Colour colour, double width) {
  cairo_set_source_rgb(cairo_, colour.r, colour.g, colour.b);
  cairo_set_line_width(cairo_, width);
  cairo_move_to(cairo_, x0, y0);
  cairo_line_to(cairo_, x1, y1);
  cairo_stroke(cairo_);
}

void Canvas::marker(double x, double y, Colour colour, size_t shape) {
  constexpr double r = 3;
  cairo_set_source_rgb(cairo_, colour.r, colour.g, colour.b);
  cairo_new_path(cairo_);  // text leaves a point, to which a circle would be joined
  if (shape % 4 == 0) cairo_arc(cairo_, x, y, r, 0, 6.3);
  else if (shape % 4 == 1) cairo_rectangle(cairo_, x - r, y - r, 2 * r, 2 * r);
  else {
    double up = shape % 4 == 2 ? -1 : 1;
    cairo_move_to(cairo_, x, y + up * r * 1.3);
    cairo_line_to(cairo_, x + r * 1.2, y - up * r);
    cairo_line_to(cairo_, x - r * 1.2, y - up * r);
    cairo_close_path(cairo_);
  }
  cairo_fill(cairo_);
}

void Canvas::frame(double x, double y, double width, double height, Colour colour,
                   double line_width) {
  cairo_set_source_rgb(cairo_, colour.r, colour.g, colour.b);
  cairo_set_line_width(cairo_, line_width);
  cairo_rectangle(cairo_, x - line_width / 2, y - line_width / 2, width + line_width,
                  height + line_width);
  cairo_stroke(cairo_);
}

void Canvas::image(double x, double y, double width, double height, const Image& image) {
  std::unique_ptr<cairo_surface_t, void (*)(cairo_surface_t*)> pixels(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, image.width, image.height),
      cairo_surface_destroy);
  check_cairo(cairo_surface_status(pixels.get()));
  auto* data = cairo_image_surface_get_data(pixels.get());
  const int stride = cairo_image_surface_get_stride(pixels.get());
  for (int row = 0; row < image.height; ++row)
    for (int col = 0; col < image.width; ++col) {
      const uint8_t* p = image.rgb.data() + (size_t(row) * size_t(image.width) + size_t(col)) * 3;
      reinterpret_cast<uint32_t*>(data + size_t(row) * size_t(stride))[col] =
          uint32_t(p[0]) << 16 | uint32_t(p[1]) << 8 | p[2];
    }
  cairo_surface_mark_dirty(pixels.get());
  cairo_save(cairo_);
  cairo_translate(cairo_, x, y);
  cairo_scale(cairo_, width / image.width, height / image.height);
  cairo_set_source_surface(cairo_, pixels.get(), 0, 0);
  cairo_pattern_set_filter(cairo_get_source(cairo_),
                           width > image.width ? CAIRO_FILTER_NEAREST : CAIRO_FILTER_GOOD);
  // Without padding, interpolation fades the border into the paper.
  cairo_pattern_set_extend(cairo_get_source(cairo_), CAIRO_EXTEND_PAD);
  cairo_rectangle(cairo_, 0, 0, image.width, image.height);
  cairo_fill(cairo_);
  cairo_restore(cairo_);
}

void Canvas::write(const std::string& path) {
  check_cairo(cairo_status(cairo_));
  if (is_svg(path)) {
    cairo_surface_finish(surface_);
    check_cairo(cairo_surface_status(surface_));
    write_bytes(path, svg_bytes_);
    return;
  }
  std::vector<uint8_t> png;
  check_cairo(cairo_surface_write_to_png_stream(surface_, append, &png));
  write_bytes(path, png);
}

}  // namespace autodidact
