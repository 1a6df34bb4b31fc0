#include "engine/optimizer.h"
#include <cmath>

namespace autodidact {

Optimizer::Optimizer(Parameters& parameters, const OptimizerOptions& options)
    : parameters_(parameters), options_(options), step_(zeros({}, Dtype::i64)) {
  const Tensor& w = parameters.value;
  check(!options.nesterov || options.momentum > 0, "optimizer: Nesterov needs a momentum");
  if (options.rule == Rule::adamw) m_ = zeros(w.shape, w.dtype), v_ = zeros(w.shape, w.dtype);
  else if (options.momentum > 0) velocity_ = zeros(w.shape, w.dtype);
}

std::vector<NamedTensor> Optimizer::state() {
  std::vector<NamedTensor> found{{"step", &step_, Role::buffer}};
  if (velocity_) found.push_back({"velocity", &velocity_, Role::buffer});
  if (m_) found.push_back({"m", &m_, Role::buffer});
  if (v_) found.push_back({"v", &v_, Role::buffer});
  if (ema) found.push_back({"ema", &ema, Role::buffer});
  return found;
}

void Optimizer::update(double lr, double gradient_scale) {
  parameters_.finish_grad();
  double t = double(++*ptr<int64_t>(step_));
  StepValues values{float(lr), float(gradient_scale), ema_momentum,
                    float(1 - std::pow(double(options_.beta1), t)),
                    float(1 - std::pow(double(options_.beta2), t))};
  check(!ema || (ema.shape == parameters_.value.shape && ema.dtype == parameters_.value.dtype),
        "optimizer: ema must be as the weights, ", parameters_.value.shape, ", got ", ema.shape);
  if (parameters_.value.dtype == Dtype::f64) run_rule<double>(values);
  else run_rule<float>(values);
  for (Tensor* written : {&parameters_.value, &parameters_.compute, &ema})
    if (*written) ++written->buffer->version;
  parameters_.zero_grad();
}

template <class T>
void Optimizer::run_rule(const StepValues& values) {
  std::vector<Segment> segments;
  for (size_t i = 0; i < parameters_.segments().size(); ++i) {
    const Parameters::Segment& s = parameters_.segments()[i];
    if (parameters_.is_frozen(i)) continue;
    bool whole = s.role != Role::scalar || options_.decay_scalars;
    segments.push_back({s.begin, s.begin + s.size, 1, whole ? options_.weight_decay : 0, whole});
  }
  int count = int(segments.size());
  if (count == 0) return;
  T* w = ptr<T>(parameters_.value);
  const T* g = ptr<T>(parameters_.grad);
  bf16* low = ptr<bf16>(parameters_.compute);
  const OptimizerOptions& o = options_;
  if (o.rule == Rule::adamw) {
    run(Cpu{}, AdamwUpdate<T>{w, ptr<T>(m_), ptr<T>(v_), ptr<T>(ema), low, g, segments.data(),
                              &values, count, o.beta1, o.beta2, o.eps});
    return;
  }
  Tensor trust;
  if (o.rule == Rule::lars) {
    trust = empty({count}, dtype_of<T>);
    run(Cpu{},
        LarsTrust<T>{ptr<T>(trust), w, g, segments.data(), &values, count, o.coefficient, o.eps});
  }
  run(Cpu{}, SgdUpdate<T>{w, ptr<T>(velocity_), ptr<T>(ema), low, g, ptr<T>(trust), segments.data(),
                          &values, count, o.momentum, o.nesterov});
}

void update_ema(Tensor& ema, const Tensor& w, float momentum) {
  check(ema.shape == w.shape && ema.dtype == w.dtype, "update_ema: ema must be as w, ", w.shape,
        ", got ", ema.shape);
  StepValues values{0, 1, momentum, 1, 1};
  if (w.dtype == Dtype::f64)
    run(Cpu{}, EmaUpdate<double>{ptr<double>(ema), ptr<double>(w), &values, w.size()});
  else run(Cpu{}, EmaUpdate<float>{ptr<float>(ema), ptr<float>(w), &values, w.size()});
  ++ema.buffer->version;
}

}  // namespace autodidact
