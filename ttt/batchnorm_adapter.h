// What others do at test time to a network with BatchNorm, to compare test-time training with. All
// change its norms alone, by the statistics of the pictures that arrive:
//   statistics     nothing is learned: (N old + n new) / (N + n) take the place of the training
//                  data's statistics, n pictures having arrived (Schneider et al. 2020, equation
//                  1); N = 0 is prediction-time BatchNorm (Nado et al. 2020)
//   entropy        TENT (Wang et al. 2021): the batch's own statistics; scales and shifts go down
//                  the gradient of the answers' entropy
//   pseudo_label   the same with the cross entropy to the network's own answers, where it is
//                  sure of them (Lee 2013)
// As in Adapter, observe learns and predict answers by what was learned: TENT's released code
// answers before its step, which then serves the next batch alone.
#pragma once
#include "train/method.h"
#include "ttt/test_time_learner.h"

namespace autodidact {

enum class NormObjective { statistics, entropy, pseudo_label };

struct BatchNormOptions {
  Keep keep = Keep::standard;
  NormObjective objective = NormObjective::statistics;
  double prior = 16;  // statistics: N, in pictures
  int steps = 1;      // the others: of Adam, a batch
  double learning_rate = 1e-3;
  double confidence =
      0.9;  // pseudo_label: learn from pictures that were answered as surely as this
};

// Mean over the rows of -sum_c p_c log p_c, p = softmax(logits). Scalar.   logits: [N, C]
Tensor mean_entropy(const Tensor& logits);
// i32 [N], on the CPU: the largest of each row, -1 where it is below `least`. probabilities: [N, C]
Tensor sure_answers(const Tensor& probabilities, double least);

class BatchNormAdapter : public TestTimeLearner {
 public:
  // method: any that tells classes apart; it must outlive the adapter, which moves its parameters
  // into one buffer. ErrorKind::usage: it has no BatchNorm, or an option makes no sense.
  BatchNormAdapter(Method& method, const BatchNormOptions& options);

  Observed observe(const uint8_t* images, const int64_t* keys, int count, int side) override;
  Tensor predict(const uint8_t* images, int count, int side) override;
  void reset() override;
  bool is_at_snapshot() const override;

 private:
  bool step(const Tensor& x, Observed& seen, bool first);
  bool adapt_statistics(const Tensor& x, double part);

  Method& method_;
  BatchNormOptions options_;
  Parameters parameters_;
  Optimizer optimizer_;
  std::vector<Tensor> state_, snapshot_;  // weights, running statistics, the optimizer's moments
};

}  // namespace autodidact
