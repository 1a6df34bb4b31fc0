// Grids and plots: the files are pictures of the right size, whatever the text and numbers.
#include <doctest/doctest.h>
#include <cmath>
#include "tests/train/image_corpus.h"
#include "engine/check.h"
#include "train/data/image_file.h"
#include "train/data/loader.h"
#include "train/pictures/augmented.h"
#include "train/pictures/canvas.h"

using namespace autodidact;

namespace {

int colours(const Image& image) {  // how many pixels are not paper
  int n = 0;
  for (size_t i = 0; i < image.rgb.size(); i += 3)
    n += image.rgb[i] != 255 || image.rgb[i + 1] != 255 || image.rgb[i + 2] != 255;
  return n;
}

}  // namespace

TEST_CASE("a grid shows every image, pixel for pixel where it enlarges") {
  TestFolder f;
  ImageGrid grid;
  grid.columns = 3;
  for (uint32_t i = 0; i < 5; ++i) grid.cells.push_back({test_picture(32, 32, i), "", Mark::none});
  const std::string path = f.path() + "/grid.png";
  draw(path, grid);
  Image sheet = read_image(path);
  // Two device pixels a unit: margins of 18, gaps of 8, three places of 96.
  CHECK(sheet.width == 2 * (18 + 3 * 96 + 2 * 8 + 18));
  CHECK(sheet.height == 2 * (18 + 2 * 96 + 8 + 18));
  for (int cell = 0; cell < 5; ++cell)
    for (int y = 0; y < 32; y += 5)
      for (int x = 0; x < 32; x += 5)
        for (int c = 0; c < 3; ++c) {
          int at_y = 2 * (18 + cell / 3 * 104 + y * 3 + 1),
              at_x = 2 * (18 + cell % 3 * 104 + x * 3 + 1);
          CHECK(sheet.rgb[size_t((at_y * sheet.width + at_x) * 3 + c)] ==
                grid.cells[size_t(cell)].image.rgb[size_t((y * 32 + x) * 3 + c)]);
        }
}

TEST_CASE("grids and plots take any text, any numbers, nothing at all") {
  TestFolder f;
  const std::string odd = "new\nline \xff \x1b[31m " + std::string(300, 'w') + "ü✓";
  ImageGrid grid{odd, odd, 2, 0, {odd, odd, odd}, {odd}, {{test_picture(3, 70), odd, Mark::wrong}}};
  grid.cells.push_back({});
  Figure figure{odd, odd, {}};
  LinePlot odd_numbers{odd, odd, odd, {{odd, {1, 2, 3, 4}, {0.5, NAN, INFINITY, 2}}}, {{odd, 1}}};
  LinePlot one_point{"", "x", "y", {{"a", {3}, {7}}}, {}, true};
  LinePlot logarithm{"", "x", "y", {{"a", {0, 1, 1e6}, {-1, -2, -3}, true}}, {}, true};
  LinePlot points{"", "x", "y", {{"a", {1, 2}, {3, 1}}}};
  points.lines[0].joined = false;
  figure.panels = {odd_numbers, one_point, logarithm, points, {}};
  IntervalPlot rows{
      odd, odd, odd, {odd, "b"}, {{odd, {{1, 0.5}, {NAN, 1}}}, {"", {{-1, 0}, {0, 9}}}}};
  for (const char* name : {"/a.png", "/a.svg"}) {
    draw(f.path() + name, grid);
    draw(f.path() + "/b" + name[1] + (name + 2), figure);
    draw(f.path() + "/c" + name[1] + (name + 2), rows);
    draw(f.path() + "/d" + name[1] + (name + 2), IntervalPlot{});
  }
  CHECK(colours(read_image(f.path() + "/a.png")) > 1000);
  CHECK(colours(read_image(f.path() + "/ba.png")) > 1000);
  CHECK(colours(read_image(f.path() + "/ca.png")) > 1000);
  auto svg = read_bytes(f.path() + "/ba.svg", 1 << 24);
  std::string text(svg.begin(), svg.end());
  CHECK(text.rfind("<?xml", 0) == 0);
  CHECK(text.find("</svg>") != text.npos);
  for (const char* call : {"/none/a.png", "/a.jpg"}) {
    CHECK_THROWS_AS(draw(f.path() + call, grid), Error);
    CHECK_THROWS_AS(draw(f.path() + call, figure), Error);
    CHECK_THROWS_AS(draw(f.path() + call, rows), Error);
  }
  figure.panels = {{"", "", "", {{"a", {1, 2}, {1}}}, {}}};
  CHECK_THROWS_WITH_AS(draw(f.path() + "/c.png", figure),
                       doctest::Contains("line 'a' has 2 x and 1 y"), Error);
  rows.rows[0].values.pop_back();
  rows.rows[0].name = "snow";
  CHECK_THROWS_WITH_AS(draw(f.path() + "/c.png", rows),
                       doctest::Contains("row 'snow' has 1 values, there are 2 series"), Error);
}

TEST_CASE("augmented samples: the first column is the picture, the others what the network gets") {
  Samples s{8, {}, {0, 1}, {"a", "b"}};
  for (uint32_t i = 0; i < 2; ++i) {
    Image image = test_picture(8, 8, i + 1);
    s.images.insert(s.images.end(), image.rgb.begin(), image.rgb.end());
  }
  auto data = from_memory(std::move(s), "two");
  Augmentation all;
  all.rotation = Rotation::all;
  ImageGrid grid = augmented_grid(data, {1, 0}, 8, all, 2);
  CHECK(grid.columns == 9);
  CHECK(grid.cells.size() == 18);
  CHECK(grid.cells[0].image == test_picture(8, 8, 2));
  CHECK(grid.cells[0].caption == "b");
  for (int version = 0; version < 2; ++version)
    for (int turns = 0; turns < 4; ++turns) {
      const GridCell& cell = grid.cells[size_t(9 + 1 + version * 4 + turns)];
      CHECK(cell.caption == std::to_string(90 * turns) + "°");
      // Counter-clockwise: the last column of the picture becomes the first row.
      Image turned = test_picture(8, 8, 1);
      constexpr int kExif[] = {1, 8, 3, 6};
      CHECK(cell.image == oriented(turned, kExif[turns]));
    }
  Augmentation none;
  ImageGrid same = augmented_grid(data, {0}, 8, none, 3);
  for (auto& cell : same.cells) CHECK(cell.image == test_picture(8, 8, 1));
}

TEST_CASE("augmented samples: the first column of a large JPEG is what the loader gives") {
  // At 128 pixels it is decoded at an eighth; were 256 asked for, at a quarter.
  constexpr int kSide = 128;
  TestFolder f;
  f.add("a.jpg", make_jpeg(test_picture(3000, 4000)));
  const DatasetPtr data = open_dataset(f.path());
  Loader loader(data, {.batch = 1, .side = kSide, .threads = 0});
  const ImageGrid grid = augmented_grid(data, {0}, kSide, {}, 1);
  CHECK(grid.cells[0].image.rgb == loader.next().images);
}
