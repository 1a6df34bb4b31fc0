// The Network-in-Network of RotNet (Gidaris et al. 2018, CIFAR-10) with 3, 4 or 5 blocks: each a
// spatial convolution and two 1x1 ones, all followed by BatchNorm and ReLU; the first two end in a
// pooling that halves the image. The names of the released code.
#pragma once
#include "models/encoder.h"

namespace autodidact {

struct ConvNormRelu {
  Conv2d conv;
  BatchNorm2d norm;
  ConvNormRelu(int in, int out, int kernel, Rng& rng) : conv(in, out, kernel, 1, rng), norm(out) {}
  Tensor operator()(const Tensor& x) const { return norm(conv(x), true); }
  void visit(Visitor& v) { v("layers.Conv", conv), v("layers.BatchNorm", norm); }
};

struct Nin : Encoder {
  std::vector<std::vector<ConvNormRelu>> stages;

  Nin(int blocks, int width, Rng& rng) {
    int in = 3;
    for (int b = 0; b < blocks; ++b) {
      int second = b == 0 ? width * 5 / 6 : width;  // 160 of 192
      int third = b == 0 ? width / 2 : width;       // 96 of 192
      auto& stage = stages.emplace_back();
      stage.emplace_back(in, width, b < 2 ? 5 : 3, rng);
      stage.emplace_back(width, second, 1, rng);
      stage.emplace_back(second, third, 1, rng);
      in = third;
    }
  }
  std::vector<std::string> block_names() const override {
    std::vector<std::string> names;
    for (size_t b = 0; b < stages.size(); ++b) names.push_back("conv" + std::to_string(b + 1));
    return names;
  }
  Tensor block(int i, const Tensor& images) const override {
    Tensor x = images;
    for (auto& layer : stages[size_t(i)]) x = layer(x);
    if (i == 0) return max_pool2d(x, 3, 2, 1);
    return i == 1 ? avg_pool2d(x, 3, 2, 1) : x;
  }
  int dim() const override { return stages.back().back().conv.weight.shape[0]; }
  std::string head_name() const override {
    return "_feature_blocks." + std::to_string(stages.size()) + ".Classifier";
  }
  void visit_block(int b, Visitor& v) override {
    auto& stage = stages[size_t(b)];
    for (size_t l = 0; l < stage.size(); ++l)
      v("_feature_blocks." + std::to_string(b) + ".Block" + std::to_string(b + 1) + "_ConvB" +
            std::to_string(l + 1),
        stage[l]);
  }
};

}  // namespace autodidact
