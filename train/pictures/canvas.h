// Pictures that the program leaves behind, drawn with cairo into a .png (two device pixels a unit)
// or a .svg: grids of images with captions, and line plots. The colours are those of Okabe and Ito
// ("Color universal design", 2008), told apart by colour-blind readers; lines also differ in dash
// and marker.
#pragma once
#include <limits>
#include <string>
#include <vector>
#include "train/data/image.h"

namespace autodidact {

// What a frame around a cell says. Shown by colour and by a sign before the caption.
enum class Mark { none, query, right, wrong };

struct GridCell {
  Image image;  // 0 x 0: an empty place
  std::string caption;
  Mark mark = Mark::none;
};

struct ImageGrid {
  std::string title, subtitle;
  int columns = 8;
  int cell = 0;  // side of a place in units; 0: chosen by the size of the images
  std::vector<std::string> column_heads, row_heads;  // may be empty
  std::vector<GridCell> cells;                       // row by row
};

struct PlotLine {
  std::string name;                    // in the legend; "": not there
  std::vector<double> x = {}, y = {};  // equally long; a value that is not finite breaks the line
  bool dashed = false;
  int colour = -1;     // of the palette; -1: by position in the plot
  bool joined = true;  // false: points alone
};
struct PlotGuide {  // a level to compare with, as chance
  std::string name;
  double y;
};
struct LinePlot {
  std::string title, x_label, y_label;
  std::vector<PlotLine> lines = {};
  std::vector<PlotGuide> guides = {};
  bool log_x = false;
  std::vector<double> x_ticks = {};                         // empty: chosen
  double y_low = std::numeric_limits<double>::quiet_NaN();  // NaN: from the data
  double y_high = std::numeric_limits<double>::quiet_NaN();
};
// A row a thing, a value and its interval for each of several series: errors by corruption.
struct IntervalPlot {
  struct Value {
    double value, half;  // not finite: not there
  };
  struct Row {
    std::string name;
    std::vector<Value> values;  // one a series
  };
  std::string title, subtitle, x_label;
  std::vector<std::string> series;
  std::vector<Row> rows = {};
};
struct Figure {
  std::string title, subtitle;
  std::vector<LinePlot> panels;  // from left to right
};

// path ends in .png or .svg. ErrorKind::failure where it cannot be written.
void draw(const std::string& path, const ImageGrid& grid);
void draw(const std::string& path, const Figure& figure);
void draw(const std::string& path, const IntervalPlot& plot);

}  // namespace autodidact
