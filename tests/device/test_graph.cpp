// Capture and replay: the same bytes with it and without, and what must not be captured refused.
#include "device_test.h"
#include "engine/arena.h"
#include "engine/graph.h"
#include "engine/optimizer.h"
#include "engine/random.h"

using namespace autodidact;

namespace {

struct Net {  // a scale, a norm and a bias: every parameter gets a gradient
  Tensor scale, gamma, beta, bias, steps = zeros({}, Dtype::i64);
  explicit Net(Rng& rng)
      : scale(empty({4, 12})), gamma(full({12}, 1)), beta(zeros({12})), bias(zeros({12})) {
    fill_normal(scale, 1, 0.3f, rng);
  }
  Tensor operator()(const Tensor& x) {
    increment(steps);
    return add_bias(gelu(groupnorm(mul(x, scale), gamma, beta, 3)), bias);
  }
  void visit(Visitor& v) {
    v("scale", scale, Role::weight), v("gamma", gamma, Role::scalar), v("beta", beta, Role::scalar);
    v("bias", bias, Role::scalar), v("steps", steps, Role::buffer);
  }
};

struct Trained {
  std::vector<float> losses, weights;
  int64_t steps = 0;
};

// 20 steps with a batch, a rate and (AdamW) a bias correction of their own each.
Trained train(Replay replay, Rule rule) {
  Rng rng(3);
  Net net(rng);
  move_to(net, Device::cuda);
  Parameters parameters(net);
  Optimizer optimizer(parameters, {.rule = rule, .weight_decay = 0.01f});
  optimizer.ema = clone(parameters.value);
  Tensor x = empty({4, 12}, Dtype::f32, Device::cuda), target = empty_like(x),
         batch = empty({4, 12});
  Graph step(Device::cuda, replay);
  Trained t;
  Tensor loss;
  for (int i = 0; i < 20; ++i) {
    fill_normal(batch, 0, 1, rng);
    copy(x, batch);
    fill_normal(batch, 0, 1, rng);
    copy(target, batch);
    optimizer.prepare(0.1 / (1 + i));
    step([&] {
      loss = mean(square(net(x) - target));
      backward(loss);
      optimizer.update();
    });
    t.losses.push_back(item<float>(loss));
  }
  CHECK(step.replays() == (replay == Replay::always));
  t.weights = values_of<float>(parameters.value);
  std::vector<float> ema = values_of<float>(optimizer.ema);
  t.weights.insert(t.weights.end(), ema.begin(), ema.end());
  t.steps = item<int64_t>(net.steps);
  return t;
}

}  // namespace

TEST_CASE("graph: 20 steps, bitwise equal with capture and without, and nothing stale in them") {
  for (Rule rule : {Rule::sgd, Rule::adamw}) {
    Trained run = train(Replay::never, rule), replayed = train(Replay::always, rule);
    CHECK(run.losses == replayed.losses);
    CHECK(run.weights == replayed.weights);
    CHECK(run.steps == 20);
    CHECK(replayed.steps == 20);
    CHECK(run.losses[19] != run.losses[18]);
  }
  CHECK_NOTHROW(train(Replay::checked, Rule::adamw));
}

TEST_CASE("graph: on the CPU every call runs the step") {
  Graph step(Device::cpu);
  int calls = 0;
  for (int i = 0; i < 5; ++i) step([&] { ++calls; });
  CHECK(calls == 5);
  CHECK_FALSE(step.replays());
}

TEST_CASE("graph: the first call runs, the second captures, later ones replay without the host") {
  Tensor x = full({3}, 2, Dtype::f32, Device::cuda), y;
  Graph step(Device::cuda);
  int calls = 0;
  for (int i = 0; i < 5; ++i) {
    fill(x, i);
    step([&] { ++calls, y = square(x); });
    CHECK(values_of<float>(y) == std::vector<float>(3, float(i * i)));
  }
  CHECK(calls == 2);
}

TEST_CASE("graph: memory of a step is its own, and outlives the graph where a tensor does") {
  Tensor x = full({1000}, 2, Dtype::f32, Device::cuda), y;
  size_t before = arena_of(Device::cuda)->in_use();
  {
    Graph step(Device::cuda);
    for (int i = 0; i < 3; ++i) step([&] { y = square(square(x)); });
    Tensor other = full({1000}, 5, Dtype::f32, Device::cuda);  // must not lie where the step's do
    step([] {});
    CHECK(values_of<float>(other)[999] == 5);
    CHECK(values_of<float>(y)[999] == 16);
  }
  CHECK(arena_of(Device::cuda)->in_use() == before);
  CHECK(values_of<float>(y)[999] == 16);
}

TEST_CASE(
    "graph: what a replay would not repeat is refused in words, and the step can be run again") {
  Tensor x = full({4}, 2, Dtype::f32, Device::cuda);
  SUBCASE("reading back") {
    Graph step(Device::cuda);
    auto reads = [&] { item<float>(sum(x)); };
    CHECK_NOTHROW(step(reads));
    CHECK_THROWS_WITH_AS(step(reads), doctest::Contains("from the GPU in a captured step"), Error);
  }
  SUBCASE("bytes of the host") {
    Graph step(Device::cuda);
    auto writes = [&] { copy(x, full({4}, 1)); };
    CHECK_NOTHROW(step(writes));
    CHECK_THROWS_WITH_AS(step(writes), doctest::Contains("to the GPU in a captured step"), Error);
  }
  SUBCASE("more memory than the call before needed") {
    Graph step(Device::cuda);
    int n = 1;
    auto grows = [&] { full({n}, 1, Dtype::f32, Device::cuda); };
    step(grows);
    n = 64 << 20;
    CHECK_THROWS_WITH_AS(
        step(grows),
        doctest::Contains("run the step once with its largest batch before it is captured"), Error);
  }
  SUBCASE("a step inside of a step") {
    Graph outer(Device::cuda), inner(Device::cuda);
    CHECK_THROWS_WITH_AS(outer([&] { inner([] {}); }), "graph: a step inside of a step", Error);
  }
  // Nothing of the refused capture is left.
  Graph step(Device::cuda);
  Tensor y;
  for (int i = 0; i < 3; ++i) step([&] { y = square(x); });
  CHECK(values_of<float>(y).size() == 4);
}

TEST_CASE("graph: the checked kind names the launch whose arguments change") {
  Tensor x = full({4}, 2, Dtype::f32, Device::cuda);
  Graph step(Device::cuda, Replay::checked);
  double factor = 3;
  int launches = 1;
  auto f = [&] {
    Tensor y = square(x);
    for (int i = 0; i < launches; ++i) y = scale(y, factor);
  };
  step(f), step(f);
  SUBCASE("a number") {
    factor = 4;
    CHECK_THROWS_WITH_AS(step(f), doctest::Contains("launch 1 of 2"), Error);
    CHECK_THROWS_WITH_AS(step(f), doctest::Contains("ScaleShift"), Error);
  }
  SUBCASE("an address") {
    x = full({4}, 2, Dtype::f32, Device::cuda);
    CHECK_THROWS_WITH_AS(step(f), doctest::Contains("launch 0 of 2"), Error);
  }
  SUBCASE("how many there are") {
    launches = 2;
    CHECK_THROWS_WITH_AS(step(f), doctest::Contains("the first call made 2 launches, this one 3"),
                         Error);
  }
}
