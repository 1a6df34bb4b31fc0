// Optimizers against PyTorch's update rules written out per number in f64, over a model with two
// kinds of parameters.
#include "engine/optimizer.h"
#include <doctest/doctest.h>
#include <cmath>
#include <functional>
#include "engine/ops.h"
#include "engine/random.h"

using namespace autodidact;

namespace {

struct Toy {
  Tensor weight, bias;  // [5, 13], [7]
  void visit(Visitor& v) {
    v("weight", weight, Role::weight);
    v("bias", bias, Role::scalar);
  }
};

struct Setup {
  Toy toy;
  Parameters parameters;
  Rng rng{7};
  explicit Setup(Dtype dtype) {
    toy.weight = empty({5, 13}), toy.bias = empty({7});
    fill_normal(toy.weight, 0, 1, rng), fill_normal(toy.bias, 0, 1, rng);
    toy.weight = cast(toy.weight, acc(dtype)), toy.bias = cast(toy.bias, acc(dtype));
    parameters = Parameters(toy, dtype);
  }
  void draw_gradients() {  // as a backward pass would leave them
    for (Tensor* t : {&toy.weight, &toy.bias}) {
      Tensor g = empty(t->shape);
      fill_normal(g, 0, 1, rng);
      if (!t->node) continue;
      copy(t->node->grad, g);
      t->node->grad_written = true;
    }
  }
};

std::vector<double> numbers(const Tensor& t) {
  Tensor d = cast(t, Dtype::f64);
  return {ptr<double>(d), ptr<double>(d) + d.size()};
}
double norm(const std::vector<double>& v, const Parameters::Segment& s) {
  double sum = 0;
  for (int64_t i = s.begin; i < s.begin + s.size; ++i) sum += v[size_t(i)] * v[size_t(i)];
  return std::sqrt(sum);
}

// What the rule says, number by number, with its own copies of all state.
struct Reference {
  OptimizerOptions o;
  std::vector<double> w, velocity, m, v;
  int t = 0;
  Reference(const OptimizerOptions& options, const Tensor& value)
      : o(options), w(numbers(value)), velocity(w.size()), m(w.size()), v(w.size()) {}
  void step(const Parameters& p, const std::vector<double>& gradient, double lr, double scale) {
    ++t;
    for (auto& s : p.segments()) {
      bool scalar = s.role == Role::scalar && !o.decay_scalars;
      double decay = scalar ? 0 : o.weight_decay, trust = 1;
      double wn = norm(w, s), gn = norm(gradient, s) * scale;
      if (o.rule == Rule::lars && !scalar) trust = o.coefficient * wn / (gn + decay * wn + o.eps);
      for (size_t i = size_t(s.begin); i < size_t(s.begin + s.size); ++i) {
        double g = gradient[i] * scale;
        if (o.rule == Rule::adamw) {
          w[i] -= lr * decay * w[i];
          m[i] = o.beta1 * m[i] + (1 - double(o.beta1)) * g;
          v[i] = o.beta2 * v[i] + (1 - double(o.beta2)) * g * g;
          double mhat = m[i] / (1 - std::pow(double(o.beta1), t));
          double vhat = v[i] / (1 - std::pow(double(o.beta2), t));
          w[i] -= lr * mhat / (std::sqrt(vhat) + o.eps);
        } else {
          g = (g + decay * w[i]) * trust;
          velocity[i] = o.momentum * velocity[i] + g;
          w[i] -= lr * (o.nesterov ? g + o.momentum * velocity[i] : velocity[i]);
        }
      }
    }
  }
};

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double d = 0;
  for (size_t i = 0; i < a.size(); ++i) d = std::max(d, std::abs(a[i] - b[i]));
  return d;
}

}  // namespace

TEST_CASE("optimizer: ten steps follow the rule") {
  std::vector<OptimizerOptions> all = {
      {.weight_decay = 0, .momentum = 0},
      {.weight_decay = 5e-2f, .momentum = 0.9f},
      {.weight_decay = 5e-2f, .decay_scalars = false, .momentum = 0.9f, .nesterov = true},
      {.rule = Rule::adamw, .weight_decay = 0.1f, .decay_scalars = false},
      {.rule = Rule::lars, .weight_decay = 1e-2f, .decay_scalars = false, .coefficient = 0.5f},
  };
  for (auto& o : all)
    for (Dtype dtype : {Dtype::f64, Dtype::f32, Dtype::bf16}) {
      CAPTURE(int(o.rule));
      CAPTURE(dtype);
      Setup s(dtype);
      Optimizer optimizer(s.parameters, o);
      Reference reference(o, s.parameters.value);
      for (int i = 0; i < 10; ++i) {
        s.draw_gradients();
        double lr = 0.1 / (i + 1), scale = i % 2 ? 0.5 : 1;
        reference.step(s.parameters, numbers(s.parameters.grad), lr, scale);
        optimizer.update(lr, scale);
      }
      CHECK(optimizer.step() == 10);
      // f64: the learning rate, the scale and AdamW's bias corrections pass through float (2^-24
      // each, relative to steps that add up to at most 10 in 10 steps). f32 adds a few roundings
      // of numbers below 8 in each of the 10 steps.
      double bound = dtype == Dtype::f64 ? 3 * 10 * 0x1p-24 : 10 * 8 * 8 * 0x1p-24;
      CHECK(largest_difference(numbers(s.parameters.value), reference.w) < bound);
      if (dtype == Dtype::bf16)
        for (int64_t i = 0; i < s.toy.weight.size(); ++i)
          CHECK(ptr<bf16>(s.toy.weight)[i].bits == bf16(ptr<float>(s.parameters.value)[i]).bits);
    }
}

TEST_CASE("optimizer: frozen parameters keep every bit, missing gradients count as zero") {
  Setup s(Dtype::f32);
  Optimizer optimizer(s.parameters, {.weight_decay = 0.1f});
  std::vector<double> bias = numbers(s.toy.bias), weight = numbers(s.toy.weight);
  s.parameters.freeze("bias");
  fill(s.parameters.grad, NAN);  // nothing was written: it must not be read
  optimizer.update(0.5);
  CHECK(numbers(s.toy.bias) == bias);
  for (size_t i = 0; i < weight.size(); ++i)
    CHECK(numbers(s.toy.weight)[i] == doctest::Approx(weight[i] * (1 - 0.5 * 0.1)));
}

TEST_CASE("optimizer: each parameter's own factor of the learning rate") {
  for (Rule rule : {Rule::sgd, Rule::adamw}) {
    Setup plain(Dtype::f64), scaled(Dtype::f64);
    const std::vector<double> before = numbers(plain.toy.weight), bias = numbers(plain.toy.bias);
    Optimizer whole(plain.parameters, {.rule = rule, .weight_decay = 0.1f});
    Optimizer part(scaled.parameters, {.rule = rule, .weight_decay = 0.1f}, {0.25f, 0});
    for (Setup* s : {&plain, &scaled}) s->draw_gradients();
    whole.update(0.1), part.update(0.1);
    const std::vector<double> full = numbers(plain.toy.weight), less = numbers(scaled.toy.weight);
    for (size_t i = 0; i < before.size(); ++i)
      CHECK(less[i] - before[i] == doctest::Approx(0.25 * (full[i] - before[i])).epsilon(1e-6));
    CHECK(numbers(scaled.toy.bias) == bias);
    CHECK_THROWS_AS(Optimizer(plain.parameters, {}, {1}), Error);
  }
}

TEST_CASE("optimizer: the average is taken after the step, in the same pass") {
  for (Rule rule : {Rule::sgd, Rule::adamw}) {
    Setup s(Dtype::f32);
    Optimizer optimizer(s.parameters, {.rule = rule});
    optimizer.ema = clone(s.parameters.value);
    optimizer.ema_momentum = 0.75f;
    Tensor apart = clone(s.parameters.value);
    std::vector<double> expected = numbers(apart);
    for (int step = 0; step < 3; ++step) {
      s.draw_gradients();
      optimizer.update(0.1);
      update_ema(apart, s.parameters.value, 0.75f);
      std::vector<double> w = numbers(s.parameters.value);
      for (size_t i = 0; i < w.size(); ++i) expected[i] = 0.75 * expected[i] + 0.25 * w[i];
    }
    CHECK(largest_difference(numbers(optimizer.ema), expected) < 3 * 4 * 0x1p-24);
    CHECK(numbers(optimizer.ema) == numbers(apart));
  }
}

TEST_CASE("optimizer: its state, copied to another one, continues to the same bytes") {
  for (Rule rule : {Rule::sgd, Rule::adamw}) {
    Setup a(Dtype::f32), b(Dtype::f32);
    Optimizer first(a.parameters, {.rule = rule}), second(b.parameters, {.rule = rule});
    a.draw_gradients();
    first.update(0.1);
    copy(b.parameters.value, a.parameters.value);
    auto from = first.state(), to = second.state();
    REQUIRE(from.size() == to.size());
    for (size_t i = 0; i < from.size(); ++i) {
      CHECK(from[i].name == to[i].name);
      memcpy(to[i].tensor->data(), from[i].tensor->data(), from[i].tensor->bytes());
    }
    b.rng = a.rng;
    for (Setup* s : {&a, &b}) s->draw_gradients();
    first.update(0.1), second.update(0.1);
    CHECK(numbers(a.parameters.value) == numbers(b.parameters.value));
  }
}

TEST_CASE("optimizer: an update invalidates what backward saved") {
  Setup s(Dtype::f32);
  Tensor w = s.toy.weight;
  Tensor y = record("plain", clone(detach(w)), {w}, [w = save(w)](const Tensor& dy, GradSlots& d) {
    if (w->size() == dy.size()) d.pass(0, dy);
  });
  Optimizer(s.parameters, {}).update(0.1);
  CHECK_THROWS_AS(backward(y, full(y.shape, 1)), Error);
}
