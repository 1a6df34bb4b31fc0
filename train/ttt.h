// Joint training for test-time training (Sun et al. 2020, section 2): one encoder learns the main
// task from labels and, on the same pictures, to tell by how much they were turned; both losses
// have weight 1. `objective = main` trains the main path alone: the baseline. What happens at test
// time is in ttt/.
#pragma once
#include "models/y_network.h"
#include "train/classification.h"

namespace autodidact {

struct JointKeys {
  ModelKeys model;
  AugmentationKeys augmentation;
  std::string objective = "joint", split = "layer2", rotations = "random";
  void visit(Keys& k);
};

class JointTraining : public Method {
 public:
  JointTraining(const JointKeys& keys, const DataFacts& data, Dtype dtype);
  Tensor loss(const Batch& batch, Metrics& metrics) override;
  Metrics evaluate(Loader& pictures, const std::function<bool()>& stop) override;
  Encoder& encoder() override { return *network_.encoder; }
  Tensor logits(const Tensor& images) const override { return network_(images); }
  Normalization normalization() const override { return augmentation_.normalization; }
  void visit(Visitor& v) override { network_.visit(v); }
  std::vector<std::string> heads() const override { return {network_.encoder->head_name()}; }
  std::vector<std::string> outputs() const override { return outputs_; }
  bool uses_labels() const override { return true; }

  YNetwork& network() { return network_; }
  const Augmentation& augmentation() const { return augmentation_; }  // of training, without turns

 private:
  std::vector<std::string> outputs_;
  Rotation rotation_;
  Augmentation augmentation_;
  Dtype dtype_;
  YNetwork network_;
};

}  // namespace autodidact
