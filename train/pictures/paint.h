// The strokes that pictures are made of: a cairo surface with text, lines and images.
#pragma once
#include <cairo.h>
#include <string>
#include <vector>
#include "train/data/image.h"

namespace autodidact {

struct Colour {
  double r, g, b;
};
inline constexpr Colour kInk = {0.13, 0.14, 0.16}, kFaint = {0.42, 0.44, 0.48},
                        kRule = {0.88, 0.89, 0.91}, kPaper = {1, 1, 1};
// Okabe and Ito's colours, the strongest first; yellow is left out: it vanishes on white.
inline constexpr Colour kPalette[] = {
    {0, 0.447, 0.698},     {0.835, 0.369, 0},     {0, 0.620, 0.451}, {0.902, 0.624, 0},
    {0.800, 0.475, 0.655}, {0.337, 0.706, 0.914}, {0.2, 0.2, 0.2}};
inline constexpr int kColours = int(std::size(kPalette));

enum class Align { left, centre, right };
struct TextStyle {
  double size = 11;
  Colour colour = kInk;
  Align align = Align::left;
  bool bold = false;
};

// Units are CSS pixels; y grows downwards.
class Canvas {
 public:
  Canvas(double width, double height, bool svg);
  ~Canvas();
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;

  // y is the baseline. Text is made printable, so that any bytes will do.
  void text(double x, double y, const std::string& text, const TextStyle& style = {});
  void upward_text(double x, double y, const std::string& text, const TextStyle& style = {});
  double text_width(const std::string& text, const TextStyle& style = {});
  // The text, its end replaced by an ellipsis where it is wider.
  std::string fitted(const std::string& text, double width, const TextStyle& style = {});

  void line(double x0, double y0, double x1, double y1, Colour colour, double width = 1);
  void marker(double x, double y, Colour colour, size_t shape);  // a disc, a square, triangles
  void frame(double x, double y, double width, double height, Colour colour, double line_width);
  // Enlarged pixels stay square.
  void image(double x, double y, double width, double height, const Image& image);
  cairo_t* handle() { return cairo_; }

  void write(const std::string& path);

 private:
  std::vector<uint8_t> svg_bytes_;
  cairo_surface_t* surface_;
  cairo_t* cairo_;
};

std::vector<double> round_ticks(double low, double high);  // about five
bool is_svg(const std::string& path);  // ErrorKind::usage where it is neither .png nor .svg

}  // namespace autodidact
