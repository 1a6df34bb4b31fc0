// What training and judging see of any network: an encoder is a row of named blocks, images to
// features. A new network is one file (a struct that derives from Encoder) and one entry in
// encoder.cpp.
#pragma once
#include <memory>
#include <string>
#include <vector>
#include "models/layers.h"

namespace autodidact {

struct Encoder {
  virtual ~Encoder() = default;
  virtual std::vector<std::string> block_names() const = 0;  // stem, layer1, ..
  // The output of block i from that of block i - 1 (from the images [N, H, W, 3] for i = 0).
  virtual Tensor block(int i, const Tensor& x) const = 0;
  virtual int dim() const = 0;                    // of the features
  virtual Tensor pool(const Tensor& last) const;  // last block's output -> [N, dim()]
  // A block's output as a map [N, H, W, C], for probes and pictures.
  virtual Tensor map(const Tensor& output) const { return output; }
  virtual std::string head_name() const { return "fc"; }  // a linear head's, in the original files
  virtual void visit_block(int i, Visitor& v) = 0;        // the tensors of block i

  int block_count() const { return int(block_names().size()); }
  Device device();                                         // of its weights
  std::vector<Tensor> blocks(const Tensor& images) const;  // every block's output, for probes
  Tensor features(const Tensor& images) const;             // [N, dim()]
  void visit(Visitor& v) {
    for (int i = 0; i < block_count(); ++i) visit_block(i, v);
  }
};

struct EncoderOptions {
  std::string name = "resnet18";
  int width = 0;               // of the network's first stage; 0: the paper's
  bool imagenet_stem = false;  // ResNet-18/34/50: 7x7 stride 2 and a max-pool, for large images
  std::string norm = "own";    // own (GroupNorm in ResNet-26, BatchNorm elsewhere), batch, group
  int groups = 8;              // of GroupNorm; 0 in ResNet-26: BatchNorm
  // Vision Transformers: width is that of a token.
  int side = 32;                         // of the pictures
  int patch = 16, depth = 0, heads = 0;  // 0: the paper's
  std::string pool = "cls", positions = "sincos";
};
std::unique_ptr<Encoder> make_encoder(const EncoderOptions& options, Rng& rng);
std::vector<std::string> encoder_names();

// An encoder and a linear classifier on its features; torchvision's names and order.
struct Classifier {
  std::unique_ptr<Encoder> encoder;
  Linear head;

  Classifier(const EncoderOptions& options, int classes, Rng& rng)
      : Classifier(make_encoder(options, rng), classes, rng) {}
  Classifier(std::unique_ptr<Encoder> trunk, int classes, Rng& rng)
      : encoder(std::move(trunk)), head(encoder->dim(), classes, rng) {}
  Tensor operator()(const Tensor& images) const { return head(encoder->features(images)); }
  void visit(Visitor& v) {
    encoder->visit(v);
    v(encoder->head_name(), head);
  }
};

}  // namespace autodidact
