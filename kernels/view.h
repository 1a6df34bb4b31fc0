// A random view of a picture, as contrastive learning draws them (SimCLR, Chen et al. 2020,
// appendix A): random resized crop, flip, colour jitter in random order, grey, Gaussian blur,
// solarise, mean and standard deviation; one pass over each picture, uint8 in, network input out.
// What is drawn is torchvision's (RandomResizedCrop, ColorJitter, RandomGrayscale, GaussianBlur,
// RandomSolarize) and depends on (seed, epoch, sample, view) alone: draw_view says what,
// RenderViews does it.
#pragma once
#include <cmath>
#include "kernels/philox.h"
#include "kernels/types.h"

namespace autodidact {

struct ViewRanges {
  float least_area = 0.08f, most_area = 1;              // of the crop, as parts of the picture
  float least_ratio = 3.0f / 4, most_ratio = 4.0f / 3;  // its width / height, drawn evenly in log
  float flip = 0.5f;                                    // probabilities: flip, jitter, grey, ..
  float jitter = 0.8f;
  float brightness = 0, contrast = 0, saturation = 0;  // factors in 1 -+ this, not below 0
  float hue = 0;                                       // turns of the colour circle, -+ this
  float grey = 0, blur = 0, solarize = 0;
  float least_sigma = 0.1f, most_sigma = 2;  // of the blur, pixels
};

enum class ColourOp : uint8_t { brightness, contrast, saturation, hue };

struct ViewDraw {
  int32_t image;                           // which of the pictures
  int32_t top, left, height, width;        // the crop
  float brightness, contrast, saturation;  // factors; 1: nothing changes
  float hue;                               // turns
  float sigma;                             // of the blur; 0: none
  ColourOp order[4];                       // of the jitter
  bool flip, jitter, grey, solarize;
};

struct ViewKey {
  uint64_t seed;
  uint32_t stream;  // below 2^16
  uint32_t epoch;
  uint64_t sample;
  uint32_t view;  // 0 and 1 of a pair
};

// Four numbers of one view; `block` counts them.
HD Philox4 view_numbers(const ViewKey& key, uint32_t block) {
  uint32_t purpose = key.stream | key.view << 16 | block << 24;
  return philox(key.seed, (uint64_t(purpose) << 32) | key.epoch, key.sample);
}

// torchvision's RandomResizedCrop.get_params: ten tries, then the largest centred crop of a legal
// ratio. Each try has a block of numbers of its own.
HD void draw_crop(ViewDraw& d, const ViewKey& key, const ViewRanges& r, int height, int width) {
  const float area = float(height) * float(width);
  const float least = ::logf(r.least_ratio), most = ::logf(r.most_ratio);
  constexpr uint32_t kTries = 10;
  for (uint32_t attempt = 0; attempt < kTries; ++attempt) {
    const Philox4 n = view_numbers(key, attempt);
    const float target = area * (r.least_area + (r.most_area - r.least_area) * uniform(n.v[0]));
    const float ratio = ::expf(least + (most - least) * uniform(n.v[1]));
    const int w = int(::sqrtf(target * ratio) + 0.5f), h = int(::sqrtf(target / ratio) + 0.5f);
    if (w < 1 || h < 1 || w > width || h > height) continue;
    d.height = h, d.width = w;
    d.top = int(below(n.v[2], uint32_t(height - h) + 1));
    d.left = int(below(n.v[3], uint32_t(width - w) + 1));
    return;
  }
  const float ratio = float(width) / float(height);
  d.height = height, d.width = width;
  if (ratio < r.least_ratio) d.height = int(float(width) / r.least_ratio + 0.5f);
  else if (ratio > r.most_ratio) d.width = int(float(height) * r.most_ratio + 0.5f);
  d.top = (height - d.height) / 2, d.left = (width - d.width) / 2;
}

HD float drawn_factor(float strength, uint32_t bits) {
  const float least = strength < 1 ? 1 - strength : 0;
  return strength > 0 ? least + (1 + strength - least) * uniform(bits) : 1;
}

// The draw of one view of a height x width picture; d.image is left to the caller.
HD ViewDraw draw_view(const ViewKey& key, const ViewRanges& r, int height, int width) {
  ViewDraw d{};
  draw_crop(d, key, r, height, width);
  constexpr uint32_t kAfterCrop = 10;  // blocks of numbers
  const Philox4 a = view_numbers(key, kAfterCrop), b = view_numbers(key, kAfterCrop + 1),
                c = view_numbers(key, kAfterCrop + 2);
  d.flip = uniform(a.v[0]) < r.flip;
  d.jitter = uniform(a.v[1]) < r.jitter;
  d.brightness = drawn_factor(r.brightness, a.v[2]), d.contrast = drawn_factor(r.contrast, a.v[3]);
  d.saturation = drawn_factor(r.saturation, b.v[0]);
  d.hue = r.hue * (2 * uniform(b.v[1]) - 1);
  // One of the 24 orders: which of the four is first, which of the three left is second, ..
  uint32_t rest = below(b.v[2], 24);
  for (int i = 0; i < 4; ++i) d.order[i] = ColourOp(i);
  for (int i = 0; i < 3; ++i) {
    const int chosen = i + int(rest % uint32_t(4 - i));
    rest /= uint32_t(4 - i);
    const ColourOp op = d.order[chosen];
    for (int j = chosen; j > i; --j) d.order[j] = d.order[j - 1];
    d.order[i] = op;
  }
  d.grey = uniform(b.v[3]) < r.grey;
  const float sigma = r.least_sigma + (r.most_sigma - r.least_sigma) * uniform(c.v[1]);
  d.sigma = uniform(c.v[0]) < r.blur ? sigma : 0;
  d.solarize = uniform(c.v[2]) < r.solarize;
  return d;
}

// The crop is resampled by a triangle (bilinear) or by Keys' cubic (a = -1/2), wider by the scale
// where it shrinks, as PIL and torchvision's antialias. Colours are in [0, 1], clamped after each
// step; grey is .299 R + .587 G + .114 B. The blur's window is blur_window wide and reflects at the
// border. y = (colour - mean) / std.
template <class T>
struct RenderViews {
  T* y;                   // [views, size, size, 3]
  const uint8_t* images;  // [.., height, width, 3]
  const ViewDraw* draws;  // [views]; crops lie inside of the picture
  int views, height, width;
  int size;
  bool cubic;
  int blur_window;  // odd, at most 2 size - 1
  float mean[3], std[3];
};

template <class T>
void run(Cpu, RenderViews<T>);  // T: float, bf16, double
// Working memory: 12 size (2 size + width) bytes and a little for each block, of which there are as
// many as the workspace has room for, at most one a view.
template <class T>
void run(Cuda, RenderViews<T>);

}  // namespace autodidact
