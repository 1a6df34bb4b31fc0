// What supervised training and rotation share: an encoder with a linear head, crops and flips,
// cross entropy, accuracy.
#pragma once
#include "models/encoder.h"
#include "train/augment.h"
#include "train/method.h"
#include "train/mixup.h"

namespace autodidact {

struct VisionTransformer;

struct ModelKeys {
  EncoderOptions encoder;
  EncoderOptions for_side(int side) const;  // of the pictures: a Vision Transformer needs to know
  void visit(Keys& k);
};

struct AugmentationKeys {
  int64_t crop_padding = 4;
  bool flip = true;
  std::string normalization = "half";

  void visit(Keys& k);
  Augmentation options(uint64_t seed) const;
};

// Mean and standard deviation by name: none (0, 1), half (0.5, 0.5), cifar10, imagenet.
Normalization normalization_of(const std::string& name);

struct ClassificationKeys {
  ModelKeys model;
  AugmentationKeys augmentation;
  double label_smoothing = 0, drop_path = 0;
  MixKeys mix;          // of the data's labels: supervised training reads it
  void visit(Keys& k);  // all but mix
};

// How many rows of logits [N, classes] are largest at their label.
double count_right(const Tensor& logits, const Tensor& labels);
// i32, a label an input: the turns where pictures were turned, otherwise the data's.
const Tensor& labels_of(const NetworkInput& in);

class Classification : public Method, public CapturableStep {
 public:
  Classification(const ClassificationKeys& keys, std::vector<std::string> outputs,
                 Rotation rotation, const DataFacts& data, Dtype dtype);
  Tensor loss(const Batch& batch, Metrics& metrics) override;
  CapturableStep* capturable() override { return this; }
  void prepare(const Batch& batch) override;
  Tensor loss() override;
  Metrics metrics() const override;
  Metrics evaluate(Loader& pictures, const std::function<bool()>& stop) override;
  Encoder& encoder() override { return *model_.encoder; }
  Tensor logits(const Tensor& images) const override { return model_(images); }
  Normalization normalization() const override { return augmentation_.normalization; }
  void visit(Visitor& v) override { model_.visit(v); }
  std::vector<std::string> heads() const override { return {model_.encoder->head_name()}; }
  std::vector<std::string> outputs() const override { return outputs_; }
  std::string prediction() const override;
  bool uses_labels() const override { return rotation_ == Rotation::none; }

 private:
  ClassificationKeys keys_;
  std::vector<std::string> outputs_;
  Rotation rotation_;  // none: the labels are the data's; otherwise the turns are the labels
  Augmentation augmentation_;
  Dtype dtype_;
  Classifier model_;
  VisionTransformer* dropping_ = nullptr;  // the encoder, where it drops paths
  NetworkInput input_;                     // of the current step, always in the same memory
  Tensor loss_, logits_;                   // of the last step, without its tape
};

}  // namespace autodidact
