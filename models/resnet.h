// ResNet-18, -34 and -50 (He et al. 2016, table 1 and figure 5; stride on a bottleneck's 3x3 as
// torchvision has it), with torchvision's names and order. The stem is ImageNet's, or for small
// images a 3x3 convolution with stride 1 and no max-pool.
#pragma once
#include <array>
#include <optional>
#include "models/encoder.h"

namespace autodidact {

struct Projection {  // 1x1: the shortcut where the shape changes
  Conv2d conv;
  Norm2d norm;
  Projection(int in, int out, int stride, int groups, Rng& rng)
      : conv(in, out, 1, stride, rng), norm(groups, out) {}
  Tensor operator()(const Tensor& x) const { return norm(conv(x)); }
  void visit(Visitor& v) { v("0", conv), v("1", norm); }
};

struct BasicBlock {  // figure 5, left
  static constexpr int kExpansion = 1;
  Conv2d conv1;
  Norm2d bn1;
  Conv2d conv2;
  Norm2d bn2;
  std::optional<Projection> downsample;

  BasicBlock(int in, int width, int stride, int groups, Rng& rng)
      : conv1(in, width, 3, stride, rng),
        bn1(groups, width),
        conv2(width, width, 3, 1, rng),
        bn2(groups, width) {
    if (stride != 1 || in != width) downsample.emplace(in, width, stride, groups, rng);
  }
  Tensor operator()(const Tensor& x) const {
    Tensor shortcut = downsample ? (*downsample)(x) : x;
    Tensor h = bn1(conv1(x), true);
    return bn2(conv2(h), true, shortcut);
  }
  void visit(Visitor& v) {
    v("conv1", conv1), v("bn1", bn1), v("conv2", conv2), v("bn2", bn2);
    if (downsample) v("downsample", *downsample);
  }
};

struct Bottleneck {  // figure 5, right
  static constexpr int kExpansion = 4;
  Conv2d conv1;
  Norm2d bn1;
  Conv2d conv2;
  Norm2d bn2;
  Conv2d conv3;
  Norm2d bn3;
  std::optional<Projection> downsample;

  Bottleneck(int in, int width, int stride, int groups, Rng& rng)
      : conv1(in, width, 1, 1, rng),
        bn1(groups, width),
        conv2(width, width, 3, stride, rng),
        bn2(groups, width),
        conv3(width, width * kExpansion, 1, 1, rng),
        bn3(groups, width * kExpansion) {
    if (stride != 1 || in != width * kExpansion)
      downsample.emplace(in, width * kExpansion, stride, groups, rng);
  }
  Tensor operator()(const Tensor& x) const {
    Tensor shortcut = downsample ? (*downsample)(x) : x;
    Tensor h = bn2(conv2(bn1(conv1(x), true)), true);
    return bn3(conv3(h), true, shortcut);
  }
  void visit(Visitor& v) {
    v("conv1", conv1), v("bn1", bn1), v("conv2", conv2), v("bn2", bn2);
    v("conv3", conv3), v("bn3", bn3);
    if (downsample) v("downsample", *downsample);
  }
};

template <class Block>
struct ResNet : Encoder {
  bool imagenet_stem;
  Conv2d conv1;
  Norm2d bn1;
  std::array<std::vector<Block>, 4> layers;

  ResNet(const std::array<int, 4>& depths, int width, bool imagenet, int groups, Rng& rng)
      : imagenet_stem(imagenet),
        conv1(imagenet ? Conv2d(3, width, 7, 2, rng) : Conv2d(3, width, 3, 1, rng)),
        bn1(groups, width) {
    int in = width;
    for (size_t l = 0; l < 4; ++l)
      for (int b = 0; b < depths[l]; ++b) {
        int out = width << l;
        layers[l].emplace_back(in, out, l > 0 && b == 0 ? 2 : 1, groups, rng);
        in = out * Block::kExpansion;
      }
  }
  std::vector<std::string> block_names() const override {
    return {"stem", "layer1", "layer2", "layer3", "layer4"};
  }
  Tensor block(int i, const Tensor& images) const override {
    Tensor x = images;
    if (i == 0) {
      x = bn1(conv1(x), true);
      return imagenet_stem ? max_pool2d(x, 3, 2, 1) : x;
    }
    for (auto& b : layers[size_t(i - 1)]) x = b(x);
    return x;
  }
  int dim() const override { return conv1.weight.shape[0] * 8 * Block::kExpansion; }
  void visit_block(int i, Visitor& v) override {
    if (i == 0) return v("conv1", conv1), v("bn1", bn1);
    v("layer" + std::to_string(i), layers[size_t(i - 1)]);
  }
};

}  // namespace autodidact
