// A grid of images: title, heads of columns and rows, a caption below each image.
#include <algorithm>
#include "engine/check.h"
#include "train/pictures/canvas.h"
#include "train/pictures/paint.h"

namespace autodidact {
namespace {

constexpr double kMargin = 18, kGap = 8, kCaption = 15;
constexpr double kMostRowHead = 220, kMostTitle = 720;  // what is longer ends in an ellipsis
const TextStyle kTitle{15, kInk, Align::left, true}, kSubtitle{11, kFaint, Align::left, false},
    kHead{11, kInk, Align::centre, true}, kSmall{10, kInk, Align::centre, false};

// Small images are enlarged by a whole number of times, to about a hundred units.
int cell_side(const ImageGrid& grid) {
  if (grid.cell > 0) return grid.cell;
  int side = 1;
  for (auto& c : grid.cells) side = std::max({side, c.image.height, c.image.width});
  return side >= 96 ? std::min(side, 160) : side * std::max(1, 96 / side);
}

struct MarkLook {
  Colour colour;
  const char* sign;
};
MarkLook look(Mark mark) {
  switch (mark) {
    case Mark::query:
      return {kInk, ""};
    case Mark::right:
      return {kPalette[0], "✓ "};
    case Mark::wrong:
      return {kPalette[1], "✗ "};
    default:
      return {kInk, ""};
  }
}

}  // namespace

void draw(const std::string& path, const ImageGrid& grid) {
  check(grid.columns > 0, "draw: a grid needs at least 1 column, got ", grid.columns);
  const int side = cell_side(grid),
            rows = (int(grid.cells.size()) + grid.columns - 1) / grid.columns;
  const bool captions =
      std::any_of(grid.cells.begin(), grid.cells.end(), [](auto& c) { return !c.caption.empty(); });
  const double step_x = side + kGap, step_y = side + kGap + (captions ? kCaption : 0);
  TextStyle row_head = kHead;
  row_head.align = Align::right;
  Canvas ruler(1, 1, false);  // measures text before there is a size
  double head_room = 0;
  for (auto& head : grid.row_heads)
    head_room = std::max(head_room, std::min(kMostRowHead, ruler.text_width(head, row_head) + 14));
  const double left = kMargin + head_room;
  double top = kMargin;
  if (!grid.title.empty()) top += 22;
  if (!grid.subtitle.empty()) top += 18;
  if (!grid.column_heads.empty()) top += 20;

  const double text_room = std::min(
      kMostTitle,
      std::max(ruler.text_width(grid.title, kTitle), ruler.text_width(grid.subtitle, kSubtitle)));
  const double room = std::max(left + grid.columns * step_x - kGap - kMargin, text_room);
  Canvas canvas(room + 2 * kMargin, top + rows * step_y - kGap + kMargin, is_svg(path));
  double y = kMargin + 12;
  if (!grid.title.empty()) {
    canvas.text(kMargin, y, canvas.fitted(grid.title, room, kTitle), kTitle);
    y += 20;
  }
  if (!grid.subtitle.empty())
    canvas.text(kMargin, y - 2, canvas.fitted(grid.subtitle, room, kSubtitle), kSubtitle);
  for (size_t i = 0; i < grid.column_heads.size() && int(i) < grid.columns; ++i)
    canvas.text(left + double(i) * step_x + side / 2.0, top - 7,
                canvas.fitted(grid.column_heads[i], step_x, kHead), kHead);
  for (size_t i = 0; i < grid.row_heads.size() && int(i) < rows; ++i)
    canvas.text(left - 10, top + double(i) * step_y + side / 2.0 + 4,
                canvas.fitted(grid.row_heads[i], head_room - 10, row_head), row_head);

  for (size_t i = 0; i < grid.cells.size(); ++i) {
    const GridCell& cell = grid.cells[i];
    const double x = left + double(int(i) % grid.columns) * step_x,
                 cell_y = top + double(int(i) / grid.columns) * step_y;
    MarkLook mark = look(cell.mark);
    if (cell.image.height > 0) {
      double scale = double(side) / std::max(cell.image.height, cell.image.width);
      double w = cell.image.width * scale, h = cell.image.height * scale;
      double at_x = x + (side - w) / 2, at_y = cell_y + (side - h) / 2;
      canvas.image(at_x, at_y, w, h, cell.image);
      if (cell.mark != Mark::none) canvas.frame(at_x, at_y, w, h, mark.colour, 2.5);
    }
    TextStyle style = kSmall;
    style.colour = mark.colour;
    canvas.text(x + side / 2.0, cell_y + side + 13,
                canvas.fitted(mark.sign + cell.caption, step_x - 2, style), style);
  }
  canvas.write(path);
}

}  // namespace autodidact
