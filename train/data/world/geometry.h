// Parts and their signed distances. An object is a stack of parts, painted first to last; a part is
// one of five shapes in a frame of its own. Lengths are in the object's units (x right, y down).
// Only + - * / and sqrt are used: IEEE fixes their bits, so no two machines draw different
// pictures.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace autodidact::world {

struct Direction {
  float cos, sin;
};

// cos and sin of 2 pi t. libm's last bit differs between versions; these polynomials (error below
// 2e-6) do not.
inline Direction turn(float t) {
  t -= float(int(t));
  if (t < 0) t += 1;                // [0, 1)
  int quarter = int(t * 4 + 0.5f);  // nearest multiple of a quarter turn
  float a = (t - float(quarter) * 0.25f) * 6.28318531f, b = a * a;  // |a| <= pi/4
  float s = a * (1 - b * (1.0f / 6) * (1 - b * (1.0f / 20) * (1 - b * (1.0f / 42))));
  float c = 1 - b * 0.5f * (1 - b * (1.0f / 12) * (1 - b * (1.0f / 30) * (1 - b * (1.0f / 56))));
  switch (quarter & 3) {
    case 1:
      return {-s, c};
    case 2:
      return {-c, -s};
    case 3:
      return {s, -c};
    default:
      return {c, s};
  }
}

enum class Shape : uint8_t {
  box,        // half width w, half height h, corner radius
  ellipse,    // radii w, h
  trapezoid,  // w at the bottom, w_top at the top, half height h, the top shifted by skew
  dome,       // upper half of an ellipse with radii w, h; its flat side passes through (x, y)
  ring,       // ellipse line of half thickness `radius`
};

struct Part {
  Shape shape;
  uint8_t role;       // index into the object's colours
  float x, y, w, h;   // centre and half extents
  float w_top, skew;  // trapezoid
  float radius;       // rounding (box, trapezoid), half thickness (ring)
  Direction frame;    // of the part within the object
};

// Signed distance (negative inside) of the point (x, y) given in the part's frame.
template <Shape shape>
inline float distance(const Part& part, float x, float y) {
  if constexpr (shape == Shape::box) {
    float r = part.radius, dx = std::fabs(x) - (part.w - r), dy = std::fabs(y) - (part.h - r);
    float ox = std::max(dx, 0.0f), oy = std::max(dy, 0.0f);
    return std::sqrt(ox * ox + oy * oy) + std::min(std::max(dx, dy), 0.0f) - r;
  } else if constexpr (shape == Shape::trapezoid) {
    // Undo the skew, then the larger of the distances to the slanted side and to top and bottom.
    float r = part.radius, h = part.h, t = y / h;
    float middle = 0.5f * (part.w + part.w_top), slope = (part.w - part.w_top) / (2 * h);
    float side = std::fabs(x + part.skew * 0.5f * (t - 1)) - (middle + slope * y);
    float lean = std::fabs(slope) + std::fabs(part.skew) / (2 * h);
    float across = side / std::sqrt(1 + lean * lean) + r, along = std::fabs(y) - h + r;
    float ox = std::max(across, 0.0f), oy = std::max(along, 0.0f);
    return std::sqrt(ox * ox + oy * oy) + std::min(std::max(across, along), 0.0f) - r;
  } else {
    // First-order distance of the ellipse: f / |grad f| with f = |p / radii| - 1.
    float u = x / part.w, v = y / part.h, k = std::sqrt(u * u + v * v) + 1e-6f;
    float gx = u / part.w, gy = v / part.h;
    float d = (k - 1) * k / (std::sqrt(gx * gx + gy * gy) + 1e-6f);
    if constexpr (shape == Shape::dome) return std::max(d, y);
    if constexpr (shape == Shape::ring) return std::fabs(d) - part.radius;
    return d;
  }
}

struct Extent {
  float x0, y0, x1, y1;
};
// Axis-aligned bounds in the object's frame.
inline Extent extent(const Part& part) {
  float w =
      part.shape == Shape::trapezoid ? std::max(part.w, part.w_top + std::fabs(part.skew)) : part.w;
  float grow = part.shape == Shape::ring ? part.radius : 0;
  w += grow;
  float h = part.h + grow, c = std::fabs(part.frame.cos), s = std::fabs(part.frame.sin);
  float ex = c * w + s * h, ey = s * w + c * h;
  return {part.x - ex, part.y - ey, part.x + ex, part.y + ey};
}

constexpr int kMaxParts = 24;
constexpr int kMaxRoles = 6;
struct Parts {
  std::array<Part, kMaxParts> part;
  int count = 0;
  float reach = 1;  // the larger half extent of all parts together
};

}  // namespace autodidact::world
