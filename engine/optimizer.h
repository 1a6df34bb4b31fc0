// Optimizers over a model's flat buffers: one kernel a step (two for LARS), the averaged (EMA)
// weights and the bf16 copy written in the same pass. SGD's and AdamW's update rules are PyTorch's,
// and so are AdamW's betas and eps. Other defaults differ: momentum is 0.9 (torch.optim.SGD: 0),
// weight_decay is 0 for all rules (torch.optim.AdamW: 0.01), and the learning rate has none. LARS
// is not in PyTorch: You et al. 2017, their trust coefficient.
#pragma once
#include <vector>
#include "engine/module.h"
#include "kernels/optimizer.h"

namespace autodidact {

enum class Rule : uint8_t { sgd, adamw, lars };

struct OptimizerOptions {
  Rule rule = Rule::sgd;
  float weight_decay = 0;
  bool decay_scalars = true;   // false: biases and norm parameters keep no decay (and under LARS
                               // are never rescaled)
  float momentum = 0.9f;       // sgd, lars
  bool nesterov = false;       // sgd, lars
  float beta1 = 0.9f;          // adamw
  float beta2 = 0.999f;        // adamw
  float eps = 1e-8f;           // adamw and LARS's denominator
  float coefficient = 0.001f;  // lars: the trust coefficient
};

class Optimizer {
 public:
  // lr_scales: a factor of the learning rate for each of the parameters' segments; none: all 1.
  Optimizer(Parameters& parameters, const OptimizerOptions& options,
            std::vector<float> lr_scales = {});

  // One step with the gradients gathered since the last one. Parameters without a gradient count
  // as zero, frozen ones keep their values. Afterwards the next backward starts afresh; what
  // `grad` holds can still be read.
  void update(double lr, double gradient_scale = 1) {
    prepare(lr, gradient_scale);
    update();
  }
  // The two halves of it. prepare counts the step and puts what changes from step to step into
  // the device's memory; update works from there, so that it can be captured and replayed.
  void prepare(double lr, double gradient_scale = 1);
  void update();

  // If set, a flat buffer of the parameters' layout that receives m ema + (1 - m) w in the pass:
  // a weight average, or the value buffer of a momentum encoder.
  Tensor ema;
  float ema_momentum = 0.999f;

  // What a checkpoint needs besides the weights: "velocity" or "m" and "v" (flat, as
  // Parameters::value), "step" (i64, scalar, on the CPU), and "ema" if set.
  std::vector<NamedTensor> state();
  int64_t step() const { return *ptr<int64_t>(step_); }
  const OptimizerOptions& options() const { return options_; }

 private:
  void prepare_segments();
  template <class T>
  void run_rule(auto queue);

  Parameters& parameters_;
  OptimizerOptions options_;
  std::vector<float> lr_scales_;
  Tensor velocity_, m_, v_, step_;
  Tensor step_values_, segments_;  // u8: a StepValues, and Segments of what is not frozen
  std::vector<bool> frozen_;       // when segments_ was written
  int segment_count_ = 0;
};

// ema = m ema + (1 - m) w of two flat buffers, where it is not taken in an optimizer's pass.
void update_ema(Tensor& ema, const Tensor& w, float momentum);

}  // namespace autodidact
