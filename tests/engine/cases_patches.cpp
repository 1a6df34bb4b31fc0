// Rows and refusals of patches and tokens. The definitions are the chain of steps that the ops do
// in one: patches cut out one by one, tokens put together, positions added at the end.
#include <cmath>
#include "tests/op_cases.h"

namespace autodidact {

namespace {

using Inputs = std::vector<std::vector<double>>;

PatchMask mask_of(int samples, int patches, int kept, Device device = Device::cpu) {
  std::vector<int64_t> indices;
  for (int n = 0; n < samples; ++n) indices.push_back(17 + 3 * n);
  return draw_mask(indices, patches, kept, 5, 1, 2, device);
}

// Pixels of the images in the order of patches: [N, patches, patch patch C].
std::vector<double> cut(const std::vector<double>& images, const Shape& s, int patch) {
  std::vector<double> y;
  for (int n = 0; n < s[0]; ++n)
    for (int top = 0; top < s[1]; top += patch)
      for (int left = 0; left < s[2]; left += patch)
        for (int i = 0; i < patch; ++i)
          for (int j = 0; j < patch; ++j)
            for (int c = 0; c < s[3]; ++c)
              y.push_back(images[size_t(((n * s[1] + top + i) * s[2] + left + j) * s[3] + c)]);
  return y;
}

void append(std::vector<double>& y, const std::vector<double>& rows, int row, int width) {
  y.insert(y.end(), rows.begin() + int64_t(row) * width, rows.begin() + int64_t(row + 1) * width);
}

auto gather_definition(int patch, int kept) {
  return [=](const Inputs& v, const std::vector<Shape>& shapes) {
    const Shape& s = shapes[0];
    const int patches = s[1] / patch * (s[2] / patch), width = patch * patch * s[3];
    std::vector<double> all = cut(v[0], s, patch), y;
    if (kept < 0) return all;
    PatchMask mask = mask_of(s[0], patches, kept);
    for (int n = 0; n < s[0]; ++n)
      for (int i = 0; i < kept; ++i)
        append(y, all, n * patches + ptr<int32_t>(mask.visible)[n * kept + i], width);
    return y;
  };
}

// patches < 0: no mask.
auto embed_definition(int patches) {
  return [=](const Inputs& v, const std::vector<Shape>& shapes) {
    const Shape& s = shapes[0];
    const int prefix = v.size() > 2 ? 1 : 0, kept = s[1], C = s[2];
    PatchMask mask = patches < 0 ? PatchMask() : mask_of(s[0], patches, kept);
    std::vector<double> y, added;
    for (int n = 0; n < s[0]; ++n) {
      if (prefix) append(y, v[2], 0, C), append(added, v[1], 0, C);
      for (int i = 0; i < kept; ++i) {
        append(y, v[0], n * kept + i, C);
        append(added, v[1], prefix + (mask ? ptr<int32_t>(mask.visible)[n * kept + i] : i), C);
      }
    }
    for (size_t i = 0; i < y.size(); ++i) y[i] += added[i];
    return y;
  };
}

auto unshuffle_definition(int patches, int kept) {
  return [=](const Inputs& v, const std::vector<Shape>& shapes) {
    const Shape& s = shapes[0];
    const int prefix = s[1] - kept, C = s[2];
    PatchMask mask = mask_of(s[0], patches, kept);
    std::vector<double> y;
    for (int n = 0; n < s[0]; ++n) {
      if (prefix) append(y, v[0], n * s[1], C);
      for (int p = 0; p < patches; ++p) {
        int place = ptr<int32_t>(mask.place)[n * patches + p];
        if (place < 0) append(y, v[1], 0, C);
        else append(y, v[0], n * s[1] + prefix + place, C);
      }
    }
    for (size_t i = 0; i < y.size(); ++i) y[i] += v[2][i % v[2].size()];
    return y;
  };
}

// Pictures for a prediction's shape, fixed: the loss has no gradient for them.
Tensor pictures(const Tensor& prediction, int samples, int side, int channels) {
  Tensor x = empty({samples, side, side, channels}, Dtype::f64);
  for (int64_t i = 0; i < x.size(); ++i)
    ptr<double>(x)[i] = float(bf16(float(std::sin(0.9 * double(i * i % 97)))));
  return to_device(cast(x, prediction.dtype), prediction.device());
}

auto loss_call(int side, int patch, int kept, bool normalize) {
  return [=](const std::vector<Tensor>& v) {
    const int patches = side / patch * (side / patch), samples = v[0].shape[0];
    const int channels = v[0].shape[2] / (patch * patch);
    return patch_loss(v[0], pictures(v[0], samples, side, channels), patch,
                      mask_of(samples, patches, kept, v[0].device()), normalize);
  };
}

auto loss_definition(int side, int patch, int kept, bool normalize) {
  return [=](const Inputs& v, const std::vector<Shape>& shapes) {
    const int patches = side / patch * (side / patch), samples = shapes[0][0];
    const int width = shapes[0][2], prefix = shapes[0][1] - patches;
    Tensor x = pictures(empty({}, Dtype::f64), samples, side, width / (patch * patch));
    const double* p = ptr<const double>(x);
    std::vector<double> all = cut({p, p + x.size()}, x.shape, patch);
    PatchMask mask = mask_of(samples, patches, kept);
    double total = 0, count = 0;
    for (int n = 0; n < samples; ++n)
      for (int i = 0; i < patches; ++i) {
        if (ptr<int32_t>(mask.place)[n * patches + i] >= 0) continue;
        const double* target = all.data() + int64_t(n * patches + i) * width;
        double mean = 0, var = 0;
        for (int k = 0; k < width; ++k) mean += target[k] / width;
        for (int k = 0; k < width; ++k) var += std::pow(target[k] - mean, 2) / (width - 1);
        for (int k = 0; k < width; ++k, ++count) {
          double t = normalize ? (target[k] - mean) / std::sqrt(var + 1e-6) : target[k];
          total += std::pow(v[0][size_t((n * (prefix + patches) + prefix + i) * width + k)] - t, 2);
        }
      }
    return std::vector<double>{total / count};
  };
}

}  // namespace

OpFamily patches_cases() {
  return {
      {
          {.op = "gather_patches",
           .sizes = {{{1, 2, 2, 1}}, {{3, 8, 6, 3}}, {{2, 32, 32, 3}}},
           .call = [](auto& v) { return gather_patches(v[0], 2); },
           .definition = gather_definition(2, -1)},
          {.op = "gather_patches",
           .sizes = {{{1, 4, 4, 1}}, {{19, 12, 8, 3}}, {{0, 8, 8, 3}}},
           .call =
               [](auto& v) {
                 const Shape& s = v[0].shape;
                 return gather_patches(v[0], 2,
                                       mask_of(s[0], s[1] / 2 * (s[2] / 2), 3, v[0].device()));
               },
           .definition = gather_definition(2, 3)},
          {.op = "embed_tokens",
           .sizes = {{{1, 1, 1}, {1, 1}}, {{3, 5, 7}, {5, 7}}, {{20, 16, 40}, {1, 16, 40}}},
           .call = [](auto& v) { return embed_tokens(v[0], {}, v[1]); },
           .parameters = {1},
           .definition = embed_definition(-1)},
          {.op = "embed_tokens",
           .sizes = {{{1, 1, 1}, {10, 1}, {1}},
                     {{3, 5, 7}, {1, 10, 7}, {1, 1, 7}},
                     {{35, 3, 24}, {10, 24}, {24}}},
           .call =
               [](auto& v) {
                 return embed_tokens(v[0], v[2], v[1],
                                     mask_of(v[0].shape[0], 9, v[0].shape[1], v[0].device()));
               },
           .parameters = {1},
           .definition = embed_definition(9)},
          {.op = "unshuffle",
           .sizes = {{{1, 4, 1}, {1}, {10, 1}},
                     {{3, 4, 7}, {1, 1, 7}, {1, 10, 7}},
                     {{35, 4, 24}, {24}, {10, 24}}},
           .call =
               [](auto& v) {
                 return unshuffle(v[0], v[1], v[2], mask_of(v[0].shape[0], 9, 3, v[0].device()));
               },
           .parameters = {2},
           .definition = unshuffle_definition(9, 3)},
          {.op = "unshuffle",  // no class token
           .sizes = {{{2, 3, 8}, {8}, {12, 8}}},
           .call =
               [](auto& v) {
                 return unshuffle(v[0], v[1], v[2], mask_of(v[0].shape[0], 12, 3, v[0].device()));
               },
           .parameters = {2},
           .definition = unshuffle_definition(12, 3)},
          {.op = "patch_loss",
           .sizes = {{{1, 9, 4}}, {{3, 9, 12}}, {{18, 10, 12}}},
           .call = loss_call(6, 2, 4, false),
           .definition = loss_definition(6, 2, 4, false)},
          {.op = "patch_loss",
           .sizes = {{{1, 9, 4}}, {{5, 10, 12}}},
           .call = loss_call(6, 2, 4, true),
           .definition = loss_definition(6, 2, 4, true)},
      },
      {
          {"gather_patches",
           {{2, 5, 6, 3}},
           [](auto& v) { return gather_patches(v[0], 2); },
           "gather_patches: the patch must divide height and width, got 2 for [2, 5, 6, 3]"},
          {"gather_patches",
           {{2, 4, 6, 3}},
           [](auto& v) { return gather_patches(v[0], 2, mask_of(2, 4, 1)); },
           "gather_patches: the mask must be of [2, 6] patches, got [2, 4]"},
          {"embed_tokens",
           {{2, 5, 6}, {6, 6}},
           [](auto& v) { return embed_tokens(v[0], {}, v[1]); },
           "embed_tokens: pos must be of 5 tokens of 6, got [6, 6]"},
          {"embed_tokens",
           {{2, 5, 6}, {5}, {6, 6}},
           [](auto& v) { return embed_tokens(v[0], v[1], v[2]); },
           "embed_tokens: class_token must have 6 numbers, got [5]"},
          {"embed_tokens",
           {{2, 5, 6}, {9, 6}},
           [](auto& v) { return embed_tokens(v[0], {}, v[1], mask_of(2, 9, 4)); },
           "embed_tokens: x must have the 4 visible patches, got [2, 5, 6]"},
          {"unshuffle",
           {{2, 6, 6}, {6}, {9, 6}},
           [](auto& v) { return unshuffle(v[0], v[1], v[2], mask_of(2, 9, 4)); },
           "unshuffle: x must have the 4 visible patches, after a class token or alone, got "
           "[2, 6, 6]"},
          {"unshuffle",
           {{2, 5, 6}, {6}, {9, 6}},
           [](auto& v) { return unshuffle(v[0], v[1], v[2], mask_of(2, 9, 4)); },
           "unshuffle: pos must be of 10 tokens of 6, got [9, 6]"},
          {"patch_loss",
           {{2, 9, 11}},
           loss_call(6, 2, 4, false),
           "patch_loss: prediction must be [2, 9, 8], after a class token or alone, got "
           "[2, 9, 11]"},
      }};
}

}  // namespace autodidact
