// Spatter: drops of water (severities 1 to 3) or splashes of mud (4 and 5). The drops are shaded as
// the released code does it with OpenCV: edges (Canny), distance to them, equalised, embossed.
#include "ttt/corruptions/picture.h"
#include <algorithm>
#include <cmath>

namespace autodidact {
namespace {

struct Gray {  // 8 bits
  int height, width;
  std::vector<uint8_t> v;
  Gray(int h, int w) : height(h), width(w), v(size_t(h) * size_t(w)) {}
  uint8_t& operator()(int y, int x) { return v[size_t(y) * size_t(width) + size_t(x)]; }
  int at(int y, int x, Border border) const {
    return v[size_t(inside(y, height, border)) * size_t(width) + size_t(inside(x, width, border))];
  }
};

uint8_t saturated(double v) { return uint8_t(std::clamp(std::nearbyint(v), 0.0, 255.0)); }

// Correlation with a 3 x 3 kernel.
Gray filtered(const Gray& x, const double (&kernel)[3][3]) {
  Gray y(x.height, x.width);
  for (int row = 0; row < x.height; ++row)
    for (int col = 0; col < x.width; ++col) {
      double sum = 0;
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
          sum += kernel[i][j] * x.at(row + i - 1, col + j - 1, Border::reflect_101);
      y(row, col) = saturated(sum);
    }
  return y;
}

// Canny 1986 with thresholds on |dx| + |dy| of Sobel's filter: thin ridges above `high`, and those
// above `low` that touch them.
std::vector<bool> edges(const Gray& x, int low, int high) {
  const int H = x.height, W = x.width;
  std::vector<int> dx(x.v.size()), dy(x.v.size()), size(x.v.size());
  for (int y = 0, p = 0; y < H; ++y)
    for (int i = 0; i < W; ++i, ++p) {
      auto v = [&](int row, int col) { return x.at(y + row, i + col, Border::nearest); };
      const size_t at = size_t(p);
      dx[at] = v(-1, 1) + 2 * v(0, 1) + v(1, 1) - v(-1, -1) - 2 * v(0, -1) - v(1, -1);
      dy[at] = v(1, -1) + 2 * v(1, 0) + v(1, 1) - v(-1, -1) - 2 * v(-1, 0) - v(-1, 1);
      size[at] = std::abs(dx[at]) + std::abs(dy[at]);
    }
  auto magnitude = [&](int y, int i) {
    return y < 0 || i < 0 || y >= H || i >= W ? 0 : size[size_t(y * W + i)];
  };
  std::vector<uint8_t> state(x.v.size());  // 1: above low, 2: an edge
  std::vector<int> open;
  for (int y = 0; y < H; ++y)
    for (int i = 0; i < W; ++i) {
      const size_t p = size_t(y * W + i);
      const int m = size[p];
      if (m <= low) continue;
      const double across = std::abs(dx[p]), down = std::abs(dy[p]);
      constexpr double kTangent = 0.4142135623730951;  // of 22.5 degrees
      bool ridge;
      if (down < across * kTangent) ridge = m > magnitude(y, i - 1) && m >= magnitude(y, i + 1);
      else if (across < down * kTangent)
        ridge = m > magnitude(y - 1, i) && m >= magnitude(y + 1, i);
      else {
        const int s = (dx[p] ^ dy[p]) < 0 ? -1 : 1;
        ridge = m > magnitude(y - 1, i - s) && m > magnitude(y + 1, i + s);
      }
      if (!ridge) continue;
      state[p] = m > high ? 2 : 1;
      if (m > high) open.push_back(int(p));
    }
  while (!open.empty()) {
    const int p = open.back();
    open.pop_back();
    for (int y = std::max(0, p / W - 1); y <= std::min(H - 1, p / W + 1); ++y)
      for (int i = std::max(0, p % W - 1); i <= std::min(W - 1, p % W + 1); ++i)
        if (uint8_t& s = state[size_t(y * W + i)]; s == 1) s = 2, open.push_back(y * W + i);
  }
  std::vector<bool> found(x.v.size());
  for (size_t p = 0; p < found.size(); ++p) found[p] = state[p] == 2;
  return found;
}

// Distance to the nearest edge by steps of a king and a knight (Borgefors 1986), with OpenCV's
// lengths.
std::vector<double> distances(const std::vector<bool>& edge, int H, int W) {
  struct Step {
    int dy, dx;
    double length;
  };
  constexpr Step kSteps[] = {{-1, -1, 1.4},    {-1, 0, 1},      {-1, 1, 1.4},     {0, -1, 1},
                             {-2, -1, 2.1969}, {-2, 1, 2.1969}, {-1, -2, 2.1969}, {-1, 2, 2.1969}};
  std::vector<double> d(edge.size());
  for (size_t p = 0; p < d.size(); ++p) d[p] = edge[p] ? 0 : 1e9;
  for (int sign : {1, -1})  // from the top left, then from the bottom right
    for (int k = 0; k < H * W; ++k) {
      const int p = sign > 0 ? k : H * W - 1 - k, y = p / W, x = p % W;
      for (const Step& s : kSteps) {
        const int row = y + sign * s.dy, col = x + sign * s.dx;
        if (row < 0 || col < 0 || row >= H || col >= W) continue;
        d[size_t(p)] = std::min(d[size_t(p)], d[size_t(row * W + col)] + s.length);
      }
    }
  return d;
}

void equalize(Gray& x) {
  int count[256] = {};
  for (uint8_t v : x.v) ++count[v];
  int least = 0;
  while (count[least] == 0) ++least;
  const int total = int(x.v.size());
  if (count[least] == total) return;
  const double scale = 255.0 / (total - count[least]);
  uint8_t table[256] = {};
  for (int v = least + 1, sum = 0; v < 256; ++v) table[v] = saturated((sum += count[v]) * scale);
  for (uint8_t& v : x.v) v = table[v];
}

// How much of the water's colour is added to each pixel.
std::vector<double> drops(const Picture& layer, double strength) {
  const int H = layer.height, W = layer.width;
  Gray liquid(H, W), dist(H, W);
  for (size_t p = 0; p < liquid.v.size(); ++p)
    liquid.v[p] = uint8_t(std::clamp(layer.v[p], 0.0, 1.0) * 255);
  const auto far = distances(edges(liquid, 50, 150), H, W);
  constexpr double kNinth = 1.0 / 9;
  const double box[3][3] = {
      {kNinth, kNinth, kNinth}, {kNinth, kNinth, kNinth}, {kNinth, kNinth, kNinth}};
  for (int y = 0; y < H; ++y)  // the blur works on numbers that are not rounded yet
    for (int x = 0; x < W; ++x) {
      double sum = 0;
      for (int i = -1; i <= 1; ++i)
        for (int j = -1; j <= 1; ++j)
          sum += kNinth * std::min(20.0, far[size_t(inside(y + i, H, Border::reflect_101) * W +
                                                    inside(x + j, W, Border::reflect_101))]);
      dist(y, x) = uint8_t(sum + 1e-9);
    }
  equalize(dist);
  dist = filtered(dist, {{-2, -1, 0}, {-1, 1, 1}, {0, 1, 2}});
  dist = filtered(dist, box);
  std::vector<double> m(liquid.v.size());
  for (size_t p = 0; p < m.size(); ++p) m[p] = double(liquid.v[p]) * dist.v[p];
  const double most = *std::max_element(m.begin(), m.end());
  for (double& v : m) v = most > 0 ? v / most * strength : 0;  // a picture may stay dry
  return m;
}

}  // namespace

void spatter(Picture& x, const Level& at, Draws& draw, const CorruptionOptions&) {
  const double mean =
      at({.62, .65, .65, .65, .65}, {.62, .65, .65, .65, .65}, {.65, .65, .65, .65, .67});
  const double deviation = at({.1, .1, .3, .1, .1}, {.1, .1, .3, .1, .1}, {.3, .3, .3, .3, .4});
  const double sigma = at({.7, .8, 1, .7, .5}, {.7, .8, 1, .7, .5}, {4, 3, 2, 1, 1});
  const double least =
      at({.7, .7, .69, .69, .68}, {.7, .7, .69, .68, .67}, {.69, .68, .68, .65, .65});
  const double strength = at({.5, .5, .5, .6, .6}, {.6, .6, .6, .6, .6}, {.6, .6, .5, 1.5, 1.5});
  const Level::Column muddy = {0, 0, 0, 1, 1};
  Picture layer(x.height, x.width, 1);
  for (double& v : layer.v) v = mean + deviation * draw.normal();
  gaussian_blur(layer, sigma);
  if (at.whole(muddy, muddy, muddy)) {
    for (double& v : layer.v) v = v > least ? 1 : 0;
    gaussian_blur(layer, strength);
    const double brown[3] = {63 / 255.0, 42 / 255.0, 20 / 255.0};
    for (size_t i = 0; i < x.v.size(); ++i) {
      const double m = layer.v[i / 3] < 0.8 ? 0 : layer.v[i / 3];
      x.v[i] = x.v[i] * (1 - m) + brown[i % 3] * m;
    }
    return;
  }
  for (double& v : layer.v)
    if (v < least) v = 0;
  const auto m = drops(layer, strength);
  const double turquoise[3] = {175 / 255.0, 238 / 255.0, 238 / 255.0};
  for (size_t i = 0; i < x.v.size(); ++i) x.v[i] += m[i / 3] * turquoise[i % 3];
}

}  // namespace autodidact
