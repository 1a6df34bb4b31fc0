// Painter's algorithm over signed distances: background, then per thing its soft shadow and its
// parts. A part covers clamp(1/2 - distance in pixels) of a pixel.
#include "train/data/world/raster.h"
#include <vector>

namespace autodidact::world {
namespace {

constexpr int kMaxSize = 224;
float clamp01(float x) { return std::min(std::max(x, 0.0f), 1.0f); }

struct Canvas {
  int size;
  std::vector<Colour> pixel;  // [size, size]
};

// The affine map from pixel coordinates to a part's frame: x' = xx px + xy py + x0.
struct Map {
  float xx, xy, x0, yx, yy, y0;
  float unit;  // pixels per unit of the part's frame
};
Map map_to(const Part& part, const Pose& pose, int size) {
  float unit = pose.scale * float(size), inverse = 1 / unit;
  float c = pose.frame.cos * inverse, s = pose.frame.sin * inverse, m = pose.mirror;
  float cx = pose.x * float(size) - 0.5f,
        cy = pose.y * float(size) - 0.5f;  // pixel centres at + 1/2
  // Object frame: u = m (c dx + s dy), v = c dy - s dx; part frame: turned by part.frame.
  float fc = part.frame.cos, fs = part.frame.sin;
  Map a;
  a.xx = fc * m * c - fs * s, a.xy = fc * m * s + fs * c;
  a.yx = -fs * m * c - fc * s, a.yy = -fs * m * s + fc * c;
  a.x0 = -a.xx * cx - a.xy * cy - fc * part.x - fs * part.y;
  a.y0 = -a.yx * cx - a.yy * cy + fs * part.x - fc * part.y;
  a.unit = unit;
  return a;
}

struct Window {
  int x0, y0, x1, y1;  // pixels, half open
};
// Pixels that a part can touch, with a margin in pixels.
Window window_of(const Part& part, const Pose& pose, int size, float margin) {
  Extent own{};
  {
    Part flat = part;
    flat.frame = {1, 0}, flat.x = flat.y = 0;
    own = extent(flat);
  }
  float unit = pose.scale * float(size), m = pose.mirror;
  float u = part.x, v = part.y;
  float cx = pose.x * float(size) + unit * (pose.frame.cos * m * u - pose.frame.sin * v);
  float cy = pose.y * float(size) + unit * (pose.frame.sin * m * u + pose.frame.cos * v);
  float fc = part.frame.cos,
        fs = part.frame.sin;  // direction of the part's own axes in the picture
  float c = std::fabs(pose.frame.cos * m * fc - pose.frame.sin * fs),
        s = std::fabs(pose.frame.sin * m * fc + pose.frame.cos * fs);
  float ex = unit * (c * own.x1 + s * own.y1) + margin,
        ey = unit * (s * own.x1 + c * own.y1) + margin;
  auto low = [&](float x) { return std::min(std::max(int(x), 0), size); };
  return {low(cx - ex), low(cy - ey), low(cx + ex + 1), low(cy + ey + 1)};
}

template <Shape shape>
void distances_of(float* d, const Part& part, const Map& map, int x0, int y, int n) {
  float u = map.xx * float(x0) + map.xy * float(y) + map.x0,
        v = map.yx * float(x0) + map.yy * float(y) + map.y0;
  for (int i = 0; i < n; ++i)
    d[i] = map.unit * distance<shape>(part, u + map.xx * float(i), v + map.yx * float(i));
}
// d[i]: distance in pixels of pixel (x0 + i, y).
void distances(float* d, const Part& part, const Map& map, int x0, int y, int n) {
  switch (part.shape) {
    case Shape::box:
      return distances_of<Shape::box>(d, part, map, x0, y, n);
    case Shape::ellipse:
      return distances_of<Shape::ellipse>(d, part, map, x0, y, n);
    case Shape::trapezoid:
      return distances_of<Shape::trapezoid>(d, part, map, x0, y, n);
    case Shape::dome:
      return distances_of<Shape::dome>(d, part, map, x0, y, n);
    case Shape::ring:
      return distances_of<Shape::ring>(d, part, map, x0, y, n);
  }
}

void draw_background(Canvas& canvas, const Background& background) {
  float step = 1 / float(canvas.size), value[kMaxSize];
  for (int y = 0; y < canvas.size; ++y) {
    weave_row(value, background.texture, 0.5f * step - 0.5f, (float(y) + 0.5f) * step - 0.5f, step,
              0, canvas.size);
    Colour* row = &canvas.pixel[size_t(y) * size_t(canvas.size)];
    for (int x = 0; x < canvas.size; ++x)
      row[x] = mix(background.low, background.high, 0.5f + 0.5f * value[x]);
  }
}

// Darkens what lies behind a thing, away from the light: a paper cut-out lying a little above.
void draw_shadow(Canvas& canvas, std::vector<float>& depth, const Thing& thing,
                 const Light& light) {
  int size = canvas.size;
  float soft = 0.16f * thing.pose.scale * float(size), reach = 0.1f * thing.pose.scale;
  Pose pose = thing.pose;
  pose.x -= light.from.cos * reach, pose.y -= light.from.sin * reach;
  Window all{size, size, 0, 0};
  for (int i = 0; i < thing.parts.count; ++i) {
    Window w = window_of(thing.parts.part[size_t(i)], pose, size, soft);
    if (w.x0 >= w.x1 || w.y0 >= w.y1) continue;
    all = {std::min(all.x0, w.x0), std::min(all.y0, w.y0), std::max(all.x1, w.x1),
           std::max(all.y1, w.y1)};
  }
  for (int y = all.y0; y < all.y1; ++y)
    std::fill(&depth[size_t(y * size + all.x0)], &depth[size_t(y * size + all.x1 - 1)] + 1, soft);
  float d[kMaxSize];
  for (int i = 0; i < thing.parts.count; ++i) {
    const Part& part = thing.parts.part[size_t(i)];
    Map map = map_to(part, pose, size);
    Window w = window_of(part, pose, size, soft);
    for (int y = w.y0; y < w.y1; ++y) {
      int n = w.x1 - w.x0;
      distances(d, part, map, w.x0, y, n);
      float* row = &depth[size_t(y * size + w.x0)];
      for (int k = 0; k < n; ++k) row[k] = std::min(row[k], d[k]);
    }
  }
  for (int y = all.y0; y < all.y1; ++y)
    for (int x = all.x0; x < all.x1; ++x) {
      size_t at = size_t(y * size + x);
      float t = clamp01(0.5f - 0.5f * depth[at] / soft);
      canvas.pixel[at] = scale(canvas.pixel[at], 1 - light.shadow * t * t * (3 - 2 * t));
    }
}

void draw_part(Canvas& canvas, uint8_t* instances, uint8_t* own, uint8_t id, const Part& part,
               const Thing& thing, const Light& light) {
  int size = canvas.size;
  Map map = map_to(part, thing.pose, size);
  Window w = window_of(part, thing.pose, size, 1);
  Colour base = thing.colours[part.role];
  float step = 1 / float(size), line = std::max(0.045f * map.unit, 0.9f);
  // The light's direction in the part's frame, per half extent: shade runs from -1 to 1 across it.
  float inverse = map.unit, along_u = (map.xx * light.from.cos + map.xy * light.from.sin) *
                                      inverse / std::max(part.w, part.h);
  float along_v =
      (map.yx * light.from.cos + map.yy * light.from.sin) * inverse / std::max(part.w, part.h);
  float d[kMaxSize], value[kMaxSize];
  for (int y = w.y0; y < w.y1; ++y) {
    int n = w.x1 - w.x0;
    distances(d, part, map, w.x0, y, n);
    int first = 0, last = n;  // the covered span
    while (first < last && d[first] >= 0.5f) ++first;
    while (last > first && d[last - 1] >= 0.5f) --last;
    if (first == last) continue;
    // Texture lies in the object's own place, so that it moves with it.
    weave_row(value, thing.texture, (float(w.x0 + first) + 0.5f) * step - thing.pose.x,
              (float(y) + 0.5f) * step - thing.pose.y, step, 0, last - first);
    for (int i = first; i < last; ++i) {
      float cover = clamp01(0.5f - d[i]);
      if (cover == 0) continue;
      int x = w.x0 + i;
      size_t at = size_t(y * size + x);
      float u = map.xx * float(x) + map.xy * float(y) + map.x0,
            v = map.yx * float(x) + map.yy * float(y) + map.y0;
      float tone =
          1 + light.shade * (u * along_u + v * along_v) + thing.texture_strength * value[i - first];
      tone *= 1 - light.outline * clamp01(1 + d[i] / line);
      canvas.pixel[at] = mix(canvas.pixel[at], scale(base, tone), cover);
      if (instances && d[i] < 0) instances[at] = id, own[at] = id;
    }
  }
}

void draw_thing(Canvas& canvas, std::vector<float>& depth, uint8_t* instances, uint8_t* own,
                uint8_t id, const Thing& thing, const Light& light) {
  draw_shadow(canvas, depth, thing, light);
  for (int i = 0; i < thing.parts.count; ++i)
    draw_part(canvas, instances, own, id, thing.parts.part[size_t(i)], thing, light);
}

uint8_t to_byte(float x) { return uint8_t(clamp01(x) * 255 + 0.5f); }

}  // namespace

void draw_scene(uint8_t* image, uint8_t* instances, int* alone, const Scene& scene, int size) {
  size_t pixels = size_t(size) * size_t(size);
  thread_local Canvas canvas;
  thread_local std::vector<float> depth;
  thread_local std::vector<uint8_t> own;
  canvas.size = size;
  canvas.pixel.resize(pixels);
  depth.resize(pixels);
  own.assign(pixels, 0);
  if (instances) std::fill(instances, instances + pixels, uint8_t(0));
  draw_background(canvas, scene.background);
  for (int i = 0; i < scene.clutter_count; ++i)
    draw_thing(canvas, depth, nullptr, nullptr, 0, scene.clutter[size_t(i)], scene.light);
  for (int i = 0; i < scene.object_count; ++i) {
    draw_thing(canvas, depth, instances, own.data(), uint8_t(i + 1), scene.objects[size_t(i)],
               scene.light);
    if (alone) alone[i] = int(std::count(own.begin(), own.end(), uint8_t(i + 1)));
  }
  const Colour tint = scene.light.tint;
  for (size_t at = 0; at < pixels; ++at) {
    image[3 * at] = to_byte(canvas.pixel[at].r * tint.r);
    image[3 * at + 1] = to_byte(canvas.pixel[at].g * tint.g);
    image[3 * at + 2] = to_byte(canvas.pixel[at].b * tint.b);
  }
}

}  // namespace autodidact::world
