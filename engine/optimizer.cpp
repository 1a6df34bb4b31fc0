#include "engine/optimizer.h"
#include <cmath>
#include "engine/dispatch.h"

namespace autodidact {
namespace {

// Any structs as a tensor of bytes.
template <class S>
Tensor bytes_tensor(const S* values, size_t count, Device device) {
  return from_host({int(count * sizeof(S))}, reinterpret_cast<const uint8_t*>(values), device);
}
template <class S>
const S* structs(const Tensor& bytes) {
  return reinterpret_cast<const S*>(ptr<const uint8_t>(bytes));
}

}  // namespace

Optimizer::Optimizer(Parameters& parameters, const OptimizerOptions& options,
                     std::vector<float> lr_scales)
    : parameters_(parameters),
      options_(options),
      lr_scales_(std::move(lr_scales)),
      step_(zeros({}, Dtype::i64)) {
  check(lr_scales_.empty() || lr_scales_.size() == parameters.segments().size(),
        "optimizer: lr_scales must be one a segment, ", parameters.segments().size(), ", got ",
        lr_scales_.size());
  const Tensor& w = parameters.value;
  auto state = [&] { return zeros(w.shape, w.dtype, w.device()); };
  check(!options.nesterov || options.momentum > 0, "optimizer: Nesterov needs a momentum");
  if (options.rule == Rule::adamw) m_ = state(), v_ = state();
  else if (options.momentum > 0) velocity_ = state();
  StepValues none{};
  step_values_ = bytes_tensor(&none, 1, w.device());
}

std::vector<NamedTensor> Optimizer::state() {
  std::vector<NamedTensor> found{{"step", &step_, Role::buffer}};
  if (velocity_) found.push_back({"velocity", &velocity_, Role::buffer});
  if (m_) found.push_back({"m", &m_, Role::buffer});
  if (v_) found.push_back({"v", &v_, Role::buffer});
  if (ema) found.push_back({"ema", &ema, Role::buffer});
  return found;
}

void Optimizer::prepare(double lr, double gradient_scale) {
  double t = double(++*ptr<int64_t>(step_));
  StepValues values{float(lr), float(gradient_scale), ema_momentum,
                    float(1 - std::pow(double(options_.beta1), t)),
                    float(1 - std::pow(double(options_.beta2), t))};
  transfer(step_values_.data(), step_values_.device(), &values, Device::cpu, sizeof values);
  prepare_segments();
}

// Written anew only where something was frozen or thawed.
void Optimizer::prepare_segments() {
  const auto& all = parameters_.segments();
  std::vector<bool> frozen;
  for (size_t i = 0; i < all.size(); ++i) frozen.push_back(parameters_.is_frozen(i));
  if (frozen == frozen_) return;
  std::vector<Segment> segments;
  for (size_t i = 0; i < all.size(); ++i) {
    const Parameters::Segment& s = all[i];
    if (frozen[i]) continue;
    bool whole = s.role != Role::scalar || options_.decay_scalars;
    segments.push_back({s.begin, s.begin + s.size, lr_scales_.empty() ? 1 : lr_scales_[i],
                        whole ? options_.weight_decay : 0, whole});
  }
  segments_ = bytes_tensor(segments.data(), segments.size(), parameters_.value.device());
  segment_count_ = int(segments.size());
  frozen_ = std::move(frozen);
}

void Optimizer::update() {
  parameters_.finish_grad();
  check(!ema || (ema.shape == parameters_.value.shape && ema.dtype == parameters_.value.dtype),
        "optimizer: ema must be as the weights, ", parameters_.value.shape, ", got ", ema.shape);
  if (segment_count_ > 0)
    dispatch(parameters_.value, [&]<class T>(auto queue, T) {
      if constexpr (!std::is_same_v<T, bf16>) run_rule<T>(queue);  // master weights are never bf16
    });
  for (Tensor* written : {&parameters_.value, &parameters_.compute, &ema})
    if (*written) ++written->buffer->version;
  parameters_.zero_grad();
}

template <class T>
void Optimizer::run_rule(auto queue) {
  T* w = ptr<T>(parameters_.value);
  const T* g = ptr<T>(parameters_.grad);
  bf16* low = ptr<bf16>(parameters_.compute);
  const auto* segments = structs<Segment>(segments_);
  const auto* values = structs<StepValues>(step_values_);
  const int count = segment_count_;
  const OptimizerOptions& o = options_;
  if (o.rule == Rule::adamw) {
    run(queue, AdamwUpdate<T>{w, ptr<T>(m_), ptr<T>(v_), ptr<T>(ema), low, g, segments, values,
                              count, o.beta1, o.beta2, o.eps});
    return;
  }
  Tensor trust;
  if (o.rule == Rule::lars) {
    trust = empty({count}, dtype_of<T>, parameters_.value.device());
    run(queue, LarsTrust<T>{ptr<T>(trust), w, g, segments, values, count, o.coefficient, o.eps});
  }
  run(queue, SgdUpdate<T>{w, ptr<T>(velocity_), ptr<T>(ema), low, g, ptr<T>(trust), segments,
                          values, count, o.momentum, o.nesterov});
}

void update_ema(Tensor& ema, const Tensor& w, float momentum) {
  check(ema.shape == w.shape && ema.dtype == w.dtype, "update_ema: ema must be as w, ", w.shape,
        ", got ", ema.shape);
  check(w.dtype != Dtype::bf16, "update_ema: averages are f32, got bf16");
  StepValues values{0, 1, momentum, 1, 1};
  Tensor step = bytes_tensor(&values, 1, w.device());
  dispatch(w, [&]<class T>(auto queue, T) {
    if constexpr (!std::is_same_v<T, bf16>)
      run(queue, EmaUpdate<T>{ptr<T>(ema), ptr<T>(w), structs<StepValues>(step), w.size()});
  });
  ++ema.buffer->version;
}

}  // namespace autodidact
