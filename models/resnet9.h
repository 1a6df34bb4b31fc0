// The ResNet-9 of "How to train your ResNet" (Page 2018): six convolutions and two residual pairs
// for small pictures, made to be trained in minutes. The names of the released code (cifar10-fast);
// features are the mean over what is left of the image, as in the other networks here (there: the
// maximum, and the scores are an eighth of the linear layer's).
#pragma once
#include "models/encoder.h"

namespace autodidact {

struct ResNet9 : Encoder {
  struct ConvNorm {
    Conv2d conv;
    BatchNorm2d norm;
    ConvNorm(int in, int out, Rng& rng) : conv(in, out, 3, 1, rng), norm(out) {}
    Tensor operator()(const Tensor& x) const { return norm(conv(x), true); }
    void visit(Visitor& v) { v("conv", conv), v("bn", norm); }
  };
  // x + relu(bn(conv(relu(bn(conv(x))))))
  struct Residual {
    ConvNorm res1, res2;
    Residual(int channels, Rng& rng)
        : res1(channels, channels, rng), res2(channels, channels, rng) {}
    Tensor operator()(const Tensor& x) const { return x + res2(res1(x)); }
    void visit(Visitor& v) { v("res1", res1), v("res2", res2); }
  };

  ConvNorm prep, layer1, layer2, layer3;
  Residual residual1, residual3;

  ResNet9(int width, Rng& rng)
      : prep(3, width, rng),
        layer1(width, 2 * width, rng),
        layer2(2 * width, 4 * width, rng),
        layer3(4 * width, 8 * width, rng),
        residual1(2 * width, rng),
        residual3(8 * width, rng) {}

  std::vector<std::string> block_names() const override {
    return {"prep", "layer1", "layer2", "layer3"};
  }
  // [N, H, W, 3] -> [N, H, W, width] -> [N, H/2, W/2, 2 width] -> H/4, 4 width -> H/8, 8 width
  Tensor block(int i, const Tensor& x) const override {
    if (i == 0) return prep(x);
    if (i == 2) return max_pool2d(layer2(x), 2, 2, 0);
    return i == 1 ? residual1(max_pool2d(layer1(x), 2, 2, 0))
                  : residual3(max_pool2d(layer3(x), 2, 2, 0));
  }
  int dim() const override { return layer3.conv.weight.shape[0]; }
  std::string head_name() const override { return "linear"; }
  void visit_block(int i, Visitor& v) override {
    ConvNorm* const layers[] = {&prep, &layer1, &layer2, &layer3};
    v(block_names()[size_t(i)], *layers[i]);
    if (i == 1) v("layer1.residual", residual1);
    if (i == 3) v("layer3.residual", residual3);
  }
};

}  // namespace autodidact
