// The ten weaves. All are written with truncation, products and square roots only (see geometry.h).
#include "train/data/world/texture.h"
#include <array>

namespace autodidact::world {
namespace {

float floor_of(float x, int& whole) {
  whole = int(x);
  whole -= x < float(whole);
  return x - float(whole);
}
uint32_t hash(uint32_t x, uint32_t y, uint32_t salt) {
  uint32_t h = x * 0x9E3779B1u ^ y * 0x85EBCA77u ^ salt;
  h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
  h = (h ^ (h >> 12)) * 0x297A2D39u;
  return h ^ (h >> 15);
}
float lattice(int x, int y, uint32_t salt) {  // [-1, 1)
  return float(int32_t(hash(uint32_t(x), uint32_t(y), salt)) >> 8) * (1.0f / 8388608.0f);
}
float ease(float t) { return t * t * (3 - 2 * t); }
float noise(float u, float v, uint32_t salt) {  // value noise, period 1, [-1, 1)
  int x, y;
  float s = ease(floor_of(u, x)), t = ease(floor_of(v, y));
  float a = lattice(x, y, salt), b = lattice(x + 1, y, salt);
  float c = lattice(x, y + 1, salt), d = lattice(x + 1, y + 1, salt);
  float top = a + (b - a) * s, bottom = c + (d - c) * s;
  return top + (bottom - top) * t;
}
float wave(float x) {  // a sine's look: period 1, [-1, 1], smooth
  int whole;
  float t = std::fabs(2 * floor_of(x, whole) - 1);
  return 2 * ease(t) - 1;
}
float sharpen(float x, float gain) { return std::min(std::max(x * gain, -1.0f), 1.0f); }

float value(const Texture& t, float u, float v) {
  int x, y;
  switch (t.weft) {
    case Weft::fleck:
      return sharpen(noise(u, v, t.salt) + t.a * noise(u * 2.13f, v * 2.13f, t.salt + 1), t.gain);
    case Weft::stripes:
      return sharpen(wave(u + t.a * noise(u * 0.4f, v * 0.5f, t.salt)) + t.b, t.gain);
    case Weft::dots: {
      float s = floor_of(u, x) - 0.5f, r = floor_of(v, y) - 0.5f;
      float radius = 0.3f * (1 + t.a * lattice(x, y, t.salt));
      return sharpen(3 * (radius - std::sqrt(s * s + r * r)), t.gain);
    }
    case Weft::checks:
      return sharpen(2 * wave(u * 0.6f) * wave(v * 0.6f * (1 + t.a)), t.gain);
    case Weft::weave: {
      float s = wave(u), r = wave(v);
      return sharpen(std::max(s, r) - 0.3f + t.b, t.gain);
    }
    case Weft::clouds: {
      float bend = noise(u * 0.7f, v * 0.7f, t.salt);
      return sharpen(noise(u + 1.5f * bend, v * (0.6f + t.a) - bend, t.salt + 1), t.gain);
    }
    case Weft::zigzag:
      return sharpen(wave(v + (0.3f + t.a) * wave(u * 0.7f)) + t.b, t.gain);
    case Weft::cells: {
      float s = floor_of(u, x), r = floor_of(v, y), nearest = 4;
      for (int j = -1; j <= 1; ++j)
        for (int i = -1; i <= 1; ++i) {
          float px = float(i) + 0.5f + 0.4f * lattice(x + i, y + j, t.salt) - s;
          float py = float(j) + 0.5f + 0.4f * lattice(x + i, y + j, t.salt + 1) - r;
          nearest = std::min(nearest, px * px + py * py);
        }
      return sharpen(1 - (2.2f + t.a) * std::sqrt(nearest), t.gain);
    }
    case Weft::rings: {
      float s = floor_of(u * 0.35f, x) - 0.5f, r = floor_of(v * 0.35f, y) - 0.5f;
      return sharpen(wave((2.5f + t.a) * std::sqrt(s * s + r * r)) + t.b, t.gain);
    }
    case Weft::bricks: {
      float r = floor_of(v, y);
      float s = floor_of(u * (0.5f + t.a) + 0.5f * float(y & 1), x);
      float edge = std::min(std::min(s, 1 - s) * 2, std::min(r, 1 - r));
      return sharpen(6 * edge - 0.8f, t.gain) * (0.7f + 0.3f * lattice(x, y, t.salt));
    }
  }
  return 0;
}

using Bank = std::array<Texture, kBankSize>;
Bank make_bank(WorldSplit split) {
  constexpr Weft seen[] = {Weft::fleck, Weft::stripes, Weft::dots, Weft::checks, Weft::weave};
  constexpr Weft unseen[] = {Weft::clouds, Weft::zigzag, Weft::cells};
  constexpr Weft strange[] = {Weft::rings, Weft::bricks, Weft::cells, Weft::clouds};
  Draw draw(0x776F726C64ull, int64_t(split), Purpose::bank);
  Bank bank;
  for (int i = 0; i < kBankSize; ++i) {
    Texture& t = bank[size_t(i)];
    t.weft = split == WorldSplit::test2  ? strange[i % 4]
             : split == WorldSplit::test ? unseen[i % 3]
                                         : seen[i % 5];
    t.a = draw.between(0, 0.6f);
    t.b = draw.between(-0.3f, 0.3f);
    t.gain = draw.between(0.8f, 2.5f);
    t.salt = draw.bits();
  }
  return bank;
}

}  // namespace

const Texture& bank_texture(WorldSplit split, int i) {
  static const std::array<Bank, 4> banks = {make_bank(WorldSplit::train),
                                            make_bank(WorldSplit::val), make_bank(WorldSplit::test),
                                            make_bank(WorldSplit::test2)};
  return banks[size_t(split)][size_t(i)];
}

Laid lay_texture(WorldSplit split, Draw& draw, float frequency_low, float frequency_high) {
  const Texture& texture = bank_texture(split, draw.below(kBankSize));
  float frequency = draw.between(frequency_low, frequency_high);
  float x = draw.between(0, 64), y = draw.between(0, 64);
  return {texture, frequency, x, y, turn(draw.unit())};
}

void weave_row(float* values, const Laid& laid, float x0, float y0, float dx, float dy, int n) {
  float c = laid.frame.cos * laid.frequency, s = laid.frame.sin * laid.frequency;
  for (int i = 0; i < n; ++i) {
    float x = x0 + float(i) * dx, y = y0 + float(i) * dy;
    values[i] = value(laid.texture, c * x + s * y + laid.x, c * y - s * x + laid.y);
  }
}

}  // namespace autodidact::world
