#include "ttt/batchnorm_adapter.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include "engine/ops.h"

namespace autodidact {
namespace {

// The modules that keep running statistics, by name.
std::vector<std::string> batch_norms(Encoder& encoder) {
  const std::string mark = ".running_mean";
  std::vector<std::string> found;
  for (auto& [name, tensor, role] : named_tensors(encoder))
    if (name.size() > mark.size() && name.ends_with(mark))
      found.push_back(name.substr(0, name.size() - mark.size()));
  return found;
}

void check_options(const BatchNormOptions& o) {
  auto usage = [](bool holds, auto&&... parts) {
    if (!holds) fail(ErrorKind::usage, "adapt: ", parts...);
  };
  usage(o.steps >= 1, "steps must be at least 1, got ", o.steps);
  usage(std::isfinite(o.prior) && o.prior >= 0, "the prior must be at least 0, got ", o.prior);
  usage(o.confidence >= 0 && o.confidence <= 1, "the confidence must be 0 to 1, got ",
        o.confidence);
  usage(std::isfinite(o.learning_rate) && o.learning_rate >= 0,
        "the learning rate must be a number of at least 0, got ", o.learning_rate);
}

bool is_finite(const Tensor& t) { return std::isfinite(item<float>(sum_of_squares(t))); }

}  // namespace

Tensor mean_entropy(const Tensor& logits) {
  return scale(sum(softmax(logits) * log_softmax(logits)), -1.0 / logits.shape[0]);
}

Tensor sure_answers(const Tensor& probabilities, double least) {
  const int rows = probabilities.shape[0], classes = probabilities.shape[1];
  Tensor answers = empty({rows}, Dtype::i32);
  const float* p = ptr<const float>(probabilities);
  for (int r = 0; r < rows; ++r, p += classes) {
    const float* best = std::max_element(p, p + classes);
    ptr<int32_t>(answers)[r] = double(*best) >= least ? int32_t(best - p) : -1;
  }
  return answers;
}

BatchNormAdapter::BatchNormAdapter(Method& method, const BatchNormOptions& options)
    : method_(method),
      options_(options),
      parameters_(method),
      optimizer_(parameters_, {.rule = Rule::adamw, .weight_decay = 0}) {
  check_options(options);
  const auto norms = batch_norms(method.encoder());
  if (norms.empty())
    fail(ErrorKind::usage,
         "adapt: the network has no BatchNorm, whose statistics could be adapted;"
         " train it with norm = batch");
  set_training(method, false);
  parameters_.freeze();
  for (const std::string& name : norms) parameters_.thaw(name);
  state_.push_back(parameters_.value);
  for (auto& [name, tensor, role] : named_tensors(method.encoder()))
    if (role == Role::buffer) state_.push_back(*tensor);
  for (auto& [name, tensor, role] : optimizer_.state()) state_.push_back(*tensor);
  for (const Tensor& t : state_) snapshot_.push_back(clone(t));
}

void BatchNormAdapter::reset() {
  for (size_t i = 0; i < state_.size(); ++i) copy(state_[i], snapshot_[i]);
}

bool BatchNormAdapter::is_at_snapshot() const {
  for (size_t i = 0; i < state_.size(); ++i) {
    const Tensor before = to_device(snapshot_[i], Device::cpu),
                 now = to_device(state_[i], Device::cpu);
    if (std::memcmp(before.data(), now.data(), now.bytes()) != 0) return false;
  }
  return true;
}

// By the batch's own statistics. False: there is no further step.
bool BatchNormAdapter::step(const Tensor& x, Observed& seen, bool first) {
  set_training(method_.encoder(), true);
  const Tensor logits = method_.logits(x);
  set_training(method_.encoder(), false);
  Tensor loss;
  if (options_.objective == NormObjective::entropy) {
    seen.adapted = logits.shape[0];
    loss = mean_entropy(logits);
  } else {
    const Tensor labels =
        sure_answers(to_device(softmax(detach(logits)), Device::cpu), options_.confidence);
    const int32_t* l = ptr<int32_t>(labels);
    seen.adapted = int(std::count_if(l, l + labels.size(), [](int32_t a) { return a >= 0; }));
    if (seen.adapted == 0) return false;
    loss = cross_entropy(logits, to_device(labels, x.device()));
  }
  seen.last_loss = double(item<float>(loss));
  if (first) seen.first_loss = seen.last_loss;
  backward(loss);
  parameters_.finish_grad();
  seen.failed = !std::isfinite(seen.last_loss) || !is_finite(parameters_.grad);
  if (seen.failed) parameters_.zero_grad();
  else optimizer_.update(options_.learning_rate);
  return !seen.failed;
}

// One pass of x, in which the running statistics go this part of the way to x's. False: what the
// network then says is not finite.
bool BatchNormAdapter::adapt_statistics(const Tensor& x, double part) {
  Frozen frozen(parameters_);
  set_adapting(method_.encoder(), float(part));
  const Tensor logits = method_.logits(x);
  set_adapting(method_.encoder(), 0);
  return is_finite(logits);
}

Observed BatchNormAdapter::observe(const uint8_t* images, const int64_t*, int count, int side) {
  if (options_.keep == Keep::standard) reset();
  Observed seen;
  if (count == 0) return seen;
  const Tensor x = normalize(images, count, side, method_.normalization(), Dtype::f32,
                             parameters_.value.device());
  const bool learns = options_.objective != NormObjective::statistics;
  if (learns) {
    for (int k = 0; k < options_.steps; ++k)
      if (!step(x, seen, k == 0)) break;
  } else {
    seen.adapted = count;
  }
  const double part = learns ? 1 : count / (options_.prior + count);
  if (!seen.failed) seen.failed = !adapt_statistics(x, part);
  if (seen.failed) reset();
  return seen;
}

Tensor BatchNormAdapter::predict(const uint8_t* images, int count, int side) {
  Frozen frozen(parameters_);
  const Tensor x = normalize(images, count, side, method_.normalization(), Dtype::f32,
                             parameters_.value.device());
  return to_device(softmax(method_.logits(x)), Device::cpu);
}

}  // namespace autodidact
