// What the ten classes are made of. y points down: a roof has a smaller y than its walls. Lengths
// are free here; build() centres and scales the stack. An expression holds at most one draw: C++
// leaves the order in which a call's arguments are computed open, and compilers differ.
#include "train/data/world/classes.h"
#include "train/data/world.h"

namespace autodidact::world {
namespace {

struct Stack {
  Parts parts;
  Part& add(Shape shape, int role, float x, float y, float w, float h) {
    Part& part = parts.part[size_t(parts.count++)];
    part = {shape, uint8_t(role), x, y, w, h, w, 0, 0, {1, 0}};
    return part;
  }
  Part& box(int role, float x, float y, float w, float h, float radius = 0) {
    Part& part = add(Shape::box, role, x, y, w, h);
    part.radius = std::min(radius, std::min(w, h));
    return part;
  }
  Part& ellipse(int role, float x, float y, float w, float h) {
    return add(Shape::ellipse, role, x, y, w, h);
  }
  Part& dome(int role, float x, float y, float w, float h) {
    return add(Shape::dome, role, x, y, w, h);
  }
  Part& trapezoid(int role, float x, float y, float w_top, float w_bottom, float h,
                  float skew = 0) {
    Part& part = add(Shape::trapezoid, role, x, y, w_bottom, h);
    part.w_top = w_top, part.skew = skew, part.radius = 0.02f;
    return part;
  }
};

void house(Stack& s, Proportion& p) {
  enum { walls, roof, door, window };
  float w = p(0.62f, 0.9f), h = p(0.45f, 0.7f), rise = p(0.28f, 0.5f);
  float top = p.chance(0.6f) ? 0.0f : w * p(0.35f, 0.6f);
  float side_of_chimney = p.sign(), chimney = w * p(0.35f, 0.6f);
  if (p.chance(0.6f)) s.box(walls, side_of_chimney * chimney, -h - rise, 0.1f, rise * 0.8f);
  s.box(walls, 0, 0, w, h);
  s.trapezoid(roof, 0, -h - rise + 0.03f, top, w * p(1.12f, 1.3f), rise);
  float side = p.sign(), tall = h * p(0.5f, 0.62f);
  float at = w * p(0.1f, 0.5f);
  s.box(door, side * at, h - tall, w * 0.2f, tall);
  s.box(window, -side * w * 0.5f, -h * 0.15f, w * p(0.18f, 0.26f), h * 0.27f);
  if (at > 0.35f * w && p.chance(0.5f)) s.box(window, side * at, -h * 0.5f, w * 0.17f, h * 0.2f);
}

void tree(Stack& s, Proportion& p) {
  enum { crown, trunk, fruit, shade };
  float w = p(0.55f, 0.8f), stem = p(0.3f, 0.5f), thick = p(0.09f, 0.15f);
  s.trapezoid(trunk, 0, stem, thick * 0.7f, thick, stem);
  int kind = p.below(3);
  if (kind == 0) {  // one round crown
    float h = w * p(0.9f, 1.2f);
    s.ellipse(crown, 0, -w * 0.8f, w, h);
    s.ellipse(shade, -w * 0.22f, -w * 0.8f - h * 0.22f, w * 0.62f, h * 0.6f);
  } else if (kind == 1) {  // a cloud of three
    float r = w * p(0.58f, 0.7f), spread = w * p(0.5f, 0.6f);
    s.ellipse(crown, -spread, -r * 0.5f, r, r * 0.85f);
    s.ellipse(shade, spread, -r * 0.5f, r, r * 0.85f);
    s.ellipse(crown, 0, -r * 1.3f, r * 1.1f, r);
  } else {  // a fir
    float h = p(0.34f, 0.42f);
    for (int i = 0; i < 3; ++i)
      s.trapezoid(i == 1 ? shade : crown, 0, -h * (0.8f + 1.15f * float(i)), w * 0.04f,
                  w * (1 - 0.22f * float(i)), h);
  }
  if (kind < 2 && p.chance(0.5f))
    for (int i = 0; i < 4; ++i) {
      float x = p(-0.45f, 0.45f), y = p(-1.1f, -0.5f);
      s.ellipse(fruit, w * x, w * y, 0.09f, 0.09f);
    }
}

void boat(Stack& s, Proportion& p) {
  enum { hull, sail, mast, flag };
  float w = p(0.75f, 1.0f), h = p(0.16f, 0.24f), tall = p(0.6f, 0.8f);
  s.box(mast, 0, -tall, 0.045f, tall);
  float main = w * p(0.6f, 0.8f);  // sails are right-angled: the top stands over the mast
  s.trapezoid(sail, main * 0.5f + 0.06f, -tall * 1.02f, 0.0f, main * 0.5f, tall * 0.86f,
              -main * 0.5f);
  if (p.chance(0.7f)) {
    float jib = w * p(0.4f, 0.6f);
    s.trapezoid(sail, -jib * 0.5f - 0.06f, -tall * 0.8f, 0.0f, jib * 0.5f, tall * 0.66f,
                jib * 0.5f);
  }
  s.trapezoid(hull, 0, h, w, w * p(0.6f, 0.75f), h);
  if (p.chance(0.7f)) s.box(flag, 0.15f, -tall * 2 + 0.07f, 0.15f, 0.08f);
}

void car(Stack& s, Proportion& p) {
  enum { body, cabin, wheel, lamp };
  float w = p(0.85f, 1.05f), h = p(0.2f, 0.28f), r = p(0.18f, 0.24f);
  float rise = p(0.17f, 0.24f), at = p(-0.2f, 0.1f) * w;
  float roof = p(0.28f, 0.4f), sill = p(0.5f, 0.62f);
  s.trapezoid(body, at, -h - rise + 0.02f, w * roof, w * sill, rise);
  s.trapezoid(cabin, at, -h - rise + 0.05f, w * 0.24f, w * 0.44f, rise * 0.62f);
  s.box(body, 0, 0, w, h, 0.12f);
  s.ellipse(lamp, w * 0.88f, -h * 0.2f, 0.09f, 0.09f);
  float apart = w * p(0.5f, 0.62f);
  for (float side : {-1.0f, 1.0f}) {
    s.ellipse(wheel, side * apart, h, r, r);
    s.ellipse(lamp, side * apart, h, r * 0.4f, r * 0.4f);
  }
}

void mushroom(Stack& s, Proportion& p) {
  enum { cap, stem, dot };
  float w = p(0.65f, 0.9f), h = p(0.5f, 0.75f), tall = p(0.3f, 0.45f), thick = p(0.17f, 0.28f);
  s.trapezoid(stem, 0, tall - 0.05f, thick, thick * p(1.1f, 1.5f), tall + 0.05f).radius = 0.08f;
  s.dome(cap, 0, 0, w, h);
  s.ellipse(dot, w * p(-0.12f, 0.12f), -h * 0.68f, w * 0.16f, w * 0.14f);
  s.ellipse(dot, -w * p(0.42f, 0.55f), -h * 0.3f, w * 0.14f, w * 0.12f);
  s.ellipse(dot, w * p(0.42f, 0.55f), -h * 0.3f, w * 0.14f, w * 0.12f);
  if (p.chance(0.5f)) s.ellipse(dot, w * p(-0.1f, 0.1f), -h * 0.2f, w * 0.11f, w * 0.09f);
}

void dog(Stack& s, Proportion& p) {
  enum { coat, ear, nose, collar };
  float w = p(0.55f, 0.72f), h = p(0.22f, 0.3f), leg = p(0.22f, 0.34f), head = p(0.24f, 0.3f);
  Part& tail = s.box(ear, -w - 0.08f, -h - 0.12f, 0.06f, p(0.18f, 0.28f), 0.06f);
  tail.frame = turn(p(-0.12f, -0.04f));
  for (float x : {-0.86f, -0.56f, 0.5f, 0.8f})
    s.box(x == -0.56f || x == 0.5f ? ear : coat, x * w, h * 0.6f + leg, 0.075f, leg, 0.05f);
  s.box(coat, 0, 0, w, h, h * 0.8f);
  s.ellipse(ear, w * p(-0.4f, 0.1f), -h * 0.3f, w * 0.42f, h * 0.6f);
  float hx = w * 0.95f, hy = -h - head * p(0.4f, 0.8f);
  s.box(collar, hx - 0.1f, hy + head * 0.8f, head * 0.6f, 0.06f, 0.03f).frame = turn(0.06f);
  s.box(coat, hx + head * 0.75f, hy + head * 0.3f, head * 0.6f, head * 0.42f, head * 0.3f);
  s.ellipse(p.chance(0.5f) ? coat : ear, hx, hy, head, head);
  s.ellipse(ear, hx - head * 0.6f, hy + head * 0.05f, head * 0.34f, head * p(0.6f, 0.85f)).frame =
      turn(0.05f);
  s.ellipse(nose, hx + head * 1.3f, hy + head * 0.15f, 0.075f, 0.065f);
  s.ellipse(nose, hx + head * 0.3f, hy - head * 0.2f, 0.055f, 0.06f);
}

void robot(Stack& s, Proportion& p) {
  enum { body, limb, eye, panel };
  float w = p(0.4f, 0.55f), h = p(0.38f, 0.5f), hw = p(0.3f, 0.42f), hh = p(0.22f, 0.3f);
  float leg = p(0.2f, 0.32f), top = -h - 2 * hh - 0.06f;
  s.box(limb, 0, top - 0.12f, 0.035f, 0.14f);
  s.ellipse(eye, 0, top - 0.26f, 0.085f, 0.085f);
  float arm = h * p(0.6f, 0.85f), raise = p(-0.02f, 0.06f);
  for (float side : {-1.0f, 1.0f}) {
    s.box(limb, side * w * 0.5f, h + leg * 0.9f, 0.12f, leg, 0.04f);
    s.box(limb, side * (w + 0.14f), -h * 0.85f + arm, 0.085f, arm, 0.08f).frame =
        turn(-side * raise);
  }
  s.box(limb, 0, -h - 0.03f, 0.1f, 0.1f);
  s.box(body, 0, 0, w, h, 0.08f);
  s.box(body, 0, -h - hh - 0.06f, hw, hh, 0.08f);
  for (float side : {-1.0f, 1.0f})
    s.ellipse(eye, side * hw * 0.42f, -h - hh - 0.1f, 0.085f, 0.085f);
  s.box(limb, 0, -h - hh * 0.5f - 0.06f, hw * 0.45f, 0.03f);
  float wide = p(0.5f, 0.7f), high = p(0.35f, 0.5f);
  s.box(panel, 0, -h * 0.1f, w * wide, h * high, 0.03f);
}

void flower(Stack& s, Proportion& p) {
  enum { petal, heart, green };
  float tall = p(0.55f, 0.75f), r = p(0.24f, 0.32f), reach = p(0.3f, 0.36f);
  s.box(green, 0, tall, 0.05f, tall, 0.02f);
  float at = tall * p(1.0f, 1.4f);
  for (float side : {-1.0f, 1.0f})
    if (side > 0 || p.chance(0.8f))
      s.ellipse(green, side * 0.24f, at + 0.12f * side, 0.26f, 0.1f).frame =
          turn(-side * p(0.06f, 0.12f));
  int petals = 5 + p.below(3);
  float phase = p(0.0f, 1.0f);
  for (int i = 0; i < petals; ++i) {
    Direction d = turn((float(i) + phase) / float(petals));
    s.ellipse(petal, reach * d.cos, reach * d.sin, r, r * (7.0f / (float(petals) + 4))).frame = d;
  }
  s.ellipse(heart, 0, 0, r * 0.75f, r * 0.75f);
}

void rocket(Stack& s, Proportion& p) {
  enum { body, trim, window, flame };
  float w = p(0.24f, 0.36f), h = p(0.5f, 0.65f), nose = p(0.22f, 0.34f), fin = p(0.2f, 0.3f);
  if (p.chance(0.75f)) s.trapezoid(flame, 0, h + 0.17f, w * 0.6f, 0.02f, p(0.16f, 0.24f));
  for (float side : {-1.0f, 1.0f})
    s.trapezoid(trim, side * (w + fin * 0.45f), h * 0.72f, 0.03f, fin * 0.62f, h * 0.4f,
                -side * fin * 0.5f);
  s.box(body, 0, 0, w, h, 0.05f);
  s.trapezoid(trim, 0, -h - nose + 0.03f, 0.03f, w, nose);
  s.ellipse(window, 0, -h * 0.35f, w * 0.5f, w * 0.5f);
  if (p.chance(0.5f)) s.ellipse(window, 0, h * 0.3f, w * 0.34f, w * 0.34f);
}

void ice_cream(Stack& s, Proportion& p) {
  enum { cone, scoop, second, cherry };
  float w = p(0.36f, 0.48f), h = p(0.5f, 0.68f), r = w * p(1.0f, 1.15f);
  int scoops = 1 + p.below(3);
  if (scoops == 1) {
    s.ellipse(scoop, 0, -h - r * 0.45f, r * 1.05f, r);
  } else if (scoops == 2) {
    s.ellipse(second, 0, -h - r * 1.45f, r * 0.86f, r * 0.8f);
    s.ellipse(scoop, 0, -h - r * 0.4f, r, r * 0.85f);
  } else {
    s.ellipse(scoop, 0, -h - r * 1.15f, r * 0.8f, r * 0.75f);
    s.ellipse(second, -r * 0.6f, -h - r * 0.3f, r * 0.75f, r * 0.7f);
    s.ellipse(scoop, r * 0.6f, -h - r * 0.3f, r * 0.75f, r * 0.7f);
  }
  s.trapezoid(cone, 0, 0, w * 1.1f, 0.04f, h);
  if (p.chance(0.7f)) {
    float top = scoops == 1 ? r * 1.4f : scoops == 2 ? r * 2.2f : r * 1.85f;
    s.ellipse(cherry, p(-0.05f, 0.05f), -h - top - 0.05f, 0.13f, 0.13f);
  }
}

constexpr void (*kBuilders[kWorldClasses])(Stack&, Proportion&) = {
    house, tree, boat, car, mushroom, dog, robot, flower, rocket, ice_cream};

// Brings the mean areas of the classes together.
constexpr float kSize[kWorldClasses] = {0.86f, 1, 1.05f, 0.96f, 0.96f, 0.97f, 1, 1.05f, 1.05f, 1};

}  // namespace

Parts build(int label, Proportion& p) {
  Stack stack;
  kBuilders[label](stack, p);
  Parts& parts = stack.parts;
  Extent all = extent(parts.part[0]);
  for (int i = 1; i < parts.count; ++i) {
    Extent e = extent(parts.part[size_t(i)]);
    all = {std::min(all.x0, e.x0), std::min(all.y0, e.y0), std::max(all.x1, e.x1),
           std::max(all.y1, e.y1)};
  }
  float x = (all.x0 + all.x1) * 0.5f, y = (all.y0 + all.y1) * 0.5f;
  // Equal bounds are not equal areas: a histogram would tell a filled house from a thin rocket.
  float w = all.x1 - all.x0, h = all.y1 - all.y0;
  float k = 2 / (0.6f * std::max(w, h) + 0.4f * std::min(w, h)) * kSize[label];
  parts.reach = 0.5f * k * std::max(w, h);
  for (int i = 0; i < parts.count; ++i) {
    Part& part = parts.part[size_t(i)];
    part.x = (part.x - x) * k, part.y = (part.y - y) * k;
    part.w *= k, part.h *= k, part.w_top *= k, part.skew *= k, part.radius *= k;
  }
  return parts;
}

Part stray_part(Draw& draw) {
  Shape shape = Shape(draw.below(4));
  Part part{shape, 0, 0,     0,     draw.between(0.35f, 1.0f), draw.between(0.35f, 1.0f),
            0,     0, 0.05f, {1, 0}};
  part.w_top = shape == Shape::trapezoid ? part.w * draw.between(0, 0.6f) : part.w;
  part.radius = 0.3f * std::min(part.w, part.h) * draw.unit();
  return part;
}

}  // namespace autodidact::world
