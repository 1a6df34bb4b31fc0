// Multinomial logistic regression on a matrix of features, by SGD with momentum and a cosine
// schedule. A sweep of learning rates is trained side by side on the same batches: the weight
// matrices are stacked, so that one GEMM computes the logits of all of them and one their
// gradients.
#pragma once
#include <cstdint>
#include <string>
#include <vector>
#include "engine/tensor.h"

namespace autodidact {

struct LinearOptions {
  std::vector<double> rates = {0.1, 0.03, 0.01, 0.003, 0.001, 0.0003};
  int epochs = 30;
  int least_steps = 500;  // more epochs where the data is small
  int batch = 256;
  double momentum = 0.9, weight_decay = 0;
  uint64_t seed = 1;  // of the order of the samples; the weights start at zero
  // BatchNorm without scale and shift before the classifier, in place of standardised features: the
  // masked autoencoder's probe (He et al. 2022, appendix A.1; eps 1e-6 in the released code).
  bool batchnorm = false;

  std::string describe() const;  // "SGD, momentum 0.9, cosine, 30 epochs, batch 256"
};

// One classifier a learning rate. BatchNorm's running statistics are part of weight and bias.
struct LinearClassifiers {
  std::vector<double> rates;
  int classes = 0;
  Tensor weight, bias;  // [rates * classes, cols], [rates * classes]
};

// x: f32 [rows, cols], standardised unless there is BatchNorm; labels: rows of 0 .. classes-1.
// rows: those of x that it is trained on; none: all. A rate that diverges leaves weights that are
// not finite; its accuracy is that of guessing class 0.
LinearClassifiers fit_linear(const Tensor& x, const std::vector<int32_t>& labels, int classes,
                             const LinearOptions& options, const std::vector<int64_t>& rows = {});

// logits [rows, rates * classes]
Tensor logits_of(const LinearClassifiers& model, const Tensor& x);

// The part of the rows (none: all), in [0, 1], on which each rate's classifier is right.
std::vector<double> accuracies(const LinearClassifiers& model, const Tensor& x,
                               const std::vector<int32_t>& labels,
                               const std::vector<int64_t>& rows = {});

}  // namespace autodidact
