// The masked autoencoder as a method (He et al. 2022): the mask is drawn first, the visible patches
// alone are embedded, and the loss is the squared error of the hidden patches' pixels.
#pragma once
#include "models/mae.h"
#include "train/classification.h"
#include "train/method.h"

namespace autodidact {

struct MaskedKeys {
  ModelKeys model;
  AugmentationKeys augmentation;
  int64_t decoder_width = 512, decoder_depth = 8, decoder_heads = 16;
  double mask_ratio = 0.75;
  bool normalize_pixels = true;

  MaskedKeys() { model.encoder.name = "vit_tiny"; }
  void visit(Keys& k);
};

// How many of the patches stay visible, as the released code counts them.
inline int kept_patches(int patches, double mask_ratio) {
  return int(double(patches) * (1 - mask_ratio));
}

class MaskedTraining : public Method {
 public:
  MaskedTraining(const MaskedKeys& keys, const DataFacts& data, Dtype dtype);
  Tensor loss(const Batch& batch, Metrics& metrics) override;
  // With one mask a picture, the same at every look.
  Metrics evaluate(Loader& pictures, const std::function<bool()>& stop) override;
  void keep_pictures(const DatasetPtr& pictures, int64_t epoch, const std::string& folder) override;
  Encoder& encoder() override { return *model_.encoder; }
  Tensor logits(const Tensor&) const override;  // ErrorKind::usage: there are none
  Normalization normalization() const override { return augmentation_.normalization; }
  void visit(Visitor& v) override { model_.visit(v); }
  std::vector<std::string> heads() const override { return kDecoderModules; }
  std::vector<std::string> outputs() const override { return {}; }
  bool uses_labels() const override { return false; }

  const MaskedAutoencoder& model() const { return model_; }
  double mask_ratio() const { return keys_.mask_ratio; }
  bool normalizes_pixels() const { return keys_.normalize_pixels; }

 private:
  PatchMask mask(const Batch& batch, uint32_t epoch);
  Tensor loss_of(const Tensor& images, const PatchMask& mask) const;

  MaskedKeys keys_;
  uint64_t seed_;
  Dtype dtype_;
  Augmentation augmentation_;
  MaskedAutoencoder model_;
};

}  // namespace autodidact
