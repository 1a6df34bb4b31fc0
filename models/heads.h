// Heads on an encoder's features that a contrastive loss compares by. MoCo v2's names: fc, or fc.0
// and fc.2.
#pragma once
#include "models/encoder.h"

namespace autodidact {

// SimCLR, section 4.2, and MoCo v2, section 3: the loss looks at a projection, so that the features
// before it may keep what the loss wants forgotten.
struct ProjectionHead {
  std::vector<Linear> layers;  // none; one; two with a ReLU between them

  ProjectionHead(const std::string& kind, int in, int hidden, int out, Rng& rng) {
    if (kind == "linear") layers.emplace_back(in, out, rng);
    if (kind == "mlp") layers.emplace_back(in, hidden, rng), layers.emplace_back(hidden, out, rng);
  }
  Tensor operator()(Tensor x) const {
    for (size_t i = 0; i < layers.size(); ++i) x = layers[i](i ? relu(x) : x);
    return x;
  }
  void visit(Visitor& v) {
    if (layers.size() == 1) layers[0].visit(v);
    if (layers.size() == 2) v("0", layers[0]), v("2", layers[1]);
  }
};

// Images to points on the unit sphere.
struct Embedder {
  std::unique_ptr<Encoder> encoder;
  ProjectionHead head;

  Embedder(const EncoderOptions& options, const std::string& kind, int hidden, int dim, Rng& rng)
      : encoder(make_encoder(options, rng)),
        head(kind, encoder->dim(), hidden ? hidden : encoder->dim(), dim, rng) {}
  int dim() const {
    return head.layers.empty() ? encoder->dim() : head.layers.back().weight.shape[0];
  }
  Tensor operator()(const Tensor& images) const {  // f32 [N, dim()]
    return l2_normalize(convert(head(encoder->features(images)), Dtype::f32));
  }
  void visit(Visitor& v) {
    encoder->visit(v);
    v(encoder->head_name(), head);
  }
};

}  // namespace autodidact
