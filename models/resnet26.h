// ResNet-26 of Test-Time Training (Sun et al. 2020; ttt_cifar_release): depth 6 x 4 + 2,
// pre-activation blocks (He et al. 2016b), 16-32-64 channels, GroupNorm, and the original CIFAR
// shortcut: average pooling and zero channels instead of a projection. The release's names.
#pragma once
#include <algorithm>
#include <array>
#include "models/encoder.h"

namespace autodidact {

struct PreActivationBlock {
  Norm2d bn1;
  Conv2d conv1;
  Norm2d bn2;
  Conv2d conv2;
  int in, out, stride;

  PreActivationBlock(int in_, int out_, int stride_, int groups, Rng& rng)
      : bn1(groups, in_),
        conv1(in_, out_, 3, stride_, rng),
        bn2(groups, out_),
        conv2(out_, out_, 3, 1, rng),
        in(in_),
        out(out_),
        stride(stride_) {}
  Tensor operator()(const Tensor& x) const {
    Tensor h = conv2(bn2(conv1(bn1(x, true)), true));
    return shortcut(x) + h;
  }
  Tensor shortcut(Tensor x) const {
    if (stride != 1) x = avg_pool2d(x, stride, stride, 0);
    return in == out ? x : pad_columns(x, 0, out - in);
  }
  void visit(Visitor& v) { v("bn1", bn1), v("conv1", conv1), v("bn2", bn2), v("conv2", conv2); }
};

struct ResNet26 : Encoder {
  static constexpr int kBlocks = 4;  // of a group
  Conv2d conv1;                      // 16 channels in wider networks too, as in Wide ResNet
  std::array<std::vector<PreActivationBlock>, 3> layers;
  Norm2d bn;

  ResNet26(int width, int groups, Rng& rng)
      : conv1(3, std::min(width, 16), 3, 1, rng), bn(groups, 4 * width) {
    int in = std::min(width, 16);
    for (size_t l = 0; l < 3; ++l)
      for (int b = 0; b < kBlocks; ++b) {
        int out = width << l;
        layers[l].emplace_back(in, out, l > 0 && b == 0 ? 2 : 1, groups, rng);
        in = out;
      }
  }
  std::vector<std::string> block_names() const override {
    return {"stem", "layer1", "layer2", "layer3"};
  }
  // The last block's output is taken after the norm and ReLU that close the trunk.
  Tensor block(int i, const Tensor& images) const override {
    if (i == 0) return conv1(images);
    Tensor x = images;
    for (auto& b : layers[size_t(i - 1)]) x = b(x);
    return i == 3 ? bn(x, true) : x;
  }
  int dim() const override { return layers[2].back().out; }
  void visit_block(int i, Visitor& v) override {
    if (i == 0) return v("conv1", conv1);
    v("layer" + std::to_string(i), layers[size_t(i - 1)]);
    if (i == 3) v("bn", bn);
  }
};

}  // namespace autodidact
