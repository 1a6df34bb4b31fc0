// The tape's promises, on ops that need no kernel: order, sharing, versions, parameters, and no
// recursion.
#include <doctest/doctest.h>
#include <limits>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>
#include "engine/arena.h"
#include "engine/module.h"
#include "engine/ops.h"

using namespace autodidact;

static Tensor plus(const Tensor& a, const Tensor& b) {  // a + b, the smallest op
  Tensor y = clone(detach(a));
  accumulate(y, b);
  return record("plus", y, {a, b},
                [](const Tensor& dy, GradSlots& d) { d.pass(0, dy), d.pass(1, dy); });
}

static Tensor twice(const Tensor& x) { return plus(x, x); }

TEST_CASE(
    "tape: a value used many times collects all its gradients, and shared ones are never added "
    "into") {
  Tensor x = leaf(full({3}, 2));
  Tensor a = plus(x, x);           // 2x
  Tensor y = plus(plus(a, x), a);  // 5x: dy reaches a twice through memory that is shared
  backward(y, full({3}, 1));
  CHECK(ptr<float>(x.node->grad)[1] == 5);
}

TEST_CASE("tape: a deep chain is built, run backward and dropped without recursion") {
  constexpr int kDepth = 1000000;
  Tensor x = leaf(full({1}, 1));
  Tensor y = x;
  for (int i = 0; i < kDepth; ++i) y = reshape(y, {1});
  SUBCASE("dropped") { y = Tensor(); }
  SUBCASE("run backward") {
    backward(y);
    CHECK(ptr<float>(x.node->grad)[0] == 1);
  }
}

TEST_CASE("tape: backward gives activations back as it walks") {
  Tensor x = leaf(full({1 << 16}, 1));
  size_t before = cpu_arena().in_use();
  {
    Tensor y = x;
    for (int i = 0; i < 10; ++i) y = twice(y);
    backward(y, full({1 << 16}, 1));
  }
  CHECK(ptr<float>(x.node->grad)[0] == 1024);
  CHECK(cpu_arena().in_use() == before + (size_t(1) << 18));  // x's gradient alone remains
}

TEST_CASE("tape: an input that no closure saved is given back when its last user is done") {
  Tensor x = leaf(full({1 << 16}, 1));
  size_t before = cpu_arena().in_use();
  Tensor y = relu(square(x));  // square keeps x, relu keeps y: the square itself is kept by nobody
  CHECK(cpu_arena().in_use() == before + (size_t(1) << 18));
  backward(y, full({1 << 16}, 1));
  CHECK(ptr<float>(x.node->grad)[0] == 2);
}

TEST_CASE("tape: threads record and run their own tapes") {
  std::vector<std::string> tapes(4);
  std::vector<std::thread> threads;
  for (std::string& tape : tapes)
    threads.emplace_back([&tape] {
      for (int i = 0; i < 200; ++i) {
        Tensor x = leaf(full({1}, 1));
        Tensor y = record("keeper", clone(detach(x)), {x},
                          [x = save(x)](const Tensor& dy, GradSlots& d) { d.pass(0, dy); });
        tape = tape_text(y);
        backward(y);
      }
    });
  for (std::thread& t : threads) t.join();
  for (const std::string& tape : tapes)  // one saved tensor each, and no other thread's
    CHECK(tape.substr(tape.find("saves")) == "saves f32 [1]\n");
}

static const char* kConsumed =
    "plus: this part of the tape was consumed by an earlier backward; add the losses and run it "
    "once";

TEST_CASE("tape: a tape runs backward once; a second run is refused in words") {
  Tensor x = leaf(full({1}, 1));
  SUBCASE("of the same loss") {
    Tensor loss = twice(x);
    backward(loss);
    CHECK_THROWS_WITH_AS(backward(loss), kConsumed, Error);
  }
  SUBCASE("of another loss with the same trunk") {
    Tensor trunk = twice(x);
    Tensor first = reshape(trunk, {1, 1}), second = reshape(trunk, {1, 1, 1});
    backward(first);
    CHECK_THROWS_WITH_AS(backward(second), kConsumed, Error);
  }
  CHECK(ptr<float>(x.node->grad)[0] == 2);
}

TEST_CASE("tape: memory changed in place after it was saved is refused, and the op is named") {
  Tensor w = full({2}, 3);
  Tensor x = leaf(full({2}, 1));
  Tensor y = record("keeper", clone(detach(x)), {x}, [w = save(w)](const Tensor& dy, GradSlots& d) {
    ptr<float>(w);
    d.pass(0, dy);
  });
  fill(w, 4);
  CHECK_THROWS_WITH_AS(backward(y, full({2}, 1)),
                       "keeper: a tensor saved for backward, f32 [2], was changed in place since",
                       Error);
}

namespace {
// 2 x, and how often it was computed.
struct Doubled {
  int made = 0;
  Tensor forward(const Tensor& x) {
    ++made;
    Tensor y = clone(detach(x));
    accumulate(y, x);
    return y;
  }
  Tensor operator()(const Tensor& x) {
    Tensor y = forward(x);
    const Saved kept = keep(x);
    return record(
        "doubled", y, {x},
        [x = kept](const Tensor& dy, GradSlots& d) {
          Tensor dx = d.activation(0);
          fill(dx, 0);
          accumulate(dx, dy), accumulate(dx, dy);
        },
        remade(y, [this, x = kept] { return forward(x); }));
  }
};
constexpr size_t kBytes = size_t(1) << 18;  // of the tensors below
}  // namespace

TEST_CASE("tape: what can be made again is not kept, is made once, and goes with its last reader") {
  Doubled doubled;
  Tensor x = leaf(full({1 << 16}, 3)), w = leaf(full({1 << 16}, 5));
  const size_t before = cpu_arena().in_use();
  Tensor z;
  {
    Tensor y = doubled(x);
    CHECK(remakable(y));
    z = mul(mul(w, y), y);  // two that save y; the first also w, the second their product
  }
  CHECK(cpu_arena().in_use() == before + 2 * kBytes);  // z and that product
  CHECK(tape_text(z).find("saves f32 [65536], f32 [65536] made again") != std::string::npos);
  cpu_arena().reset_peak();
  backward(z, full({1 << 16}, 1));
  CHECK(doubled.made == 2);
  CHECK(ptr<float>(w.node->grad)[7] == 36);             // y y
  CHECK(ptr<float>(x.node->grad)[7] == 2 * 5 * 2 * 6);  // dy = 2 w y
  CHECK(cpu_arena().in_use() == before + 3 * kBytes);   // z, the two gradients
}

TEST_CASE("tape: what can be made again is not, as long as someone else holds it") {
  Doubled doubled;
  Tensor x = leaf(full({4}, 3));
  Tensor y = doubled(x), z = square(y);  // square's own recipe wants y's memory
  SUBCASE("by a handle") {}
  SUBCASE("by another recipe") { y = {}; }
  backward(z, full({4}, 1));
  CHECK(doubled.made == 1);
  CHECK(ptr<float>(x.node->grad)[0] == 24);
}

TEST_CASE("tape: a handle that outlives backward does not keep what its recipe read") {
  Doubled doubled;
  const size_t before = cpu_arena().in_use();
  Tensor y = doubled(twice(leaf(full({1 << 16}, 3))));
  backward(y, full({1 << 16}, 1));
  CHECK(cpu_arena().in_use() == before + kBytes);
}

TEST_CASE("tape: recipes and memory that is changed in place") {
  Doubled doubled;
  Tensor x = leaf(full({2}, 3)), w = leaf(full({2}, 5));
  SUBCASE("the output, before it is saved: the changed one is kept") {
    Tensor y = doubled(x);
    fill(y, 7);
    CHECK(!remakable(y));
    Tensor z = mul(w, y);
    y = {};
    backward(z, full({2}, 1));
    CHECK(ptr<float>(w.node->grad)[0] == 7);
    CHECK(doubled.made == 1);
  }
  SUBCASE("the output, while it is saved") {
    Tensor y = doubled(x), z = mul(w, y);
    fill(y, 7);
    CHECK_THROWS_WITH_AS(backward(z, full({2}, 1)),
                         "mul: a tensor saved for backward, f32 [2], was changed in place since",
                         Error);
  }
  SUBCASE("what the recipe reads") {
    Tensor z = mul(w, doubled(x));
    fill(x, 7);
    CHECK_THROWS_WITH_AS(backward(z, full({2}, 1)),
                         "mul: a tensor saved for backward, f32 [2], was changed in place since",
                         Error);
  }
  SUBCASE("without a tape there is no recipe") { CHECK(!remakable(doubled(detach(x)))); }
}

namespace {
struct Pair {
  Tensor weight = full({2, 3}, 1), bias = full({3}, 2);
  void visit(Visitor& v) { v("weight", weight, Role::weight), v("bias", bias, Role::scalar); }
};
struct Two {
  Pair first, second;
  void visit(Visitor& v) { v("first", first), v("second", second); }
};
}  // namespace

TEST_CASE("tape: the op named in an error is the one that runs, whatever an earlier one threw") {
  Tensor x = leaf(full({2}, 1)), w = full({2}, 3);
  Tensor broken = record("broken", clone(detach(x)), {x}, [](const Tensor&, GradSlots&) {
    throw std::runtime_error("not an Error");
  });
  CHECK_THROWS_AS(backward(broken, full({2}, 1)), std::runtime_error);
  Saved kept(w);
  fill(w, 4);
  CHECK_THROWS_WITH_AS(ptr<float>(kept),
                       "backward: a tensor saved for backward, f32 [2], was changed in place since",
                       Error);
}

TEST_CASE("parameters: flat, aligned, named, and their gradients lie in the flat buffer") {
  Two model;
  Parameters p(model);
  REQUIRE(p.segments().size() == 4);
  CHECK(p.segments()[1].name == "first.bias");
  CHECK(p.count() == 18);
  for (auto& s : p.segments()) CHECK(s.begin % Parameters::kAlign == 0);
  CHECK(ptr<float>(p.value)[p.segments()[3].begin] == 2);
  fill(p.grad, std::numeric_limits<double>::quiet_NaN());
  p.zero_grad();
  backward(plus(model.first.bias, twice(model.first.bias)), full({3}, 1));
  p.finish_grad();
  CHECK(ptr<float>(p.grad)[p.segments()[1].begin] == 3);
  CHECK(ptr<float>(p.grad)[p.segments()[2].begin] == 0);  // took no part: zero, not NaN
}

namespace {
struct Tied {
  Tensor weight = full({2, 3}, 1);
  void visit(Visitor& v) { v("encoder", weight, Role::weight), v("decoder", weight, Role::weight); }
};
}  // namespace

TEST_CASE("parameters: a tensor visited under two names is refused, and both are named") {
  Tied model;
  CHECK_THROWS_WITH_AS(Parameters{model},
                       "parameters: encoder and decoder are one tensor: visit it under one name",
                       Error);
  static_assert(!std::is_copy_constructible_v<Parameters>);
  static_assert(!std::is_copy_assignable_v<Parameters>);
}

TEST_CASE("parameters: a frozen module records nothing, and Frozen restores what it found") {
  Two model;
  Parameters p(model);
  p.freeze("first");
  CHECK(!twice(model.first.bias).node);
  CHECK(twice(model.second.bias).node);
  {
    Frozen frozen(p);
    CHECK(!twice(model.second.bias).node);
  }
  CHECK(!twice(model.first.bias).node);
  CHECK(twice(model.second.bias).node);
}

TEST_CASE("parameters: bf16 training keeps f32 master weights, f32 scalars and f32 gradients") {
  Two model;
  Parameters p(model, Dtype::bf16);
  CHECK(model.first.weight.dtype == Dtype::bf16);
  CHECK(model.first.bias.dtype == Dtype::f32);
  CHECK(model.first.weight.node->grad.dtype == Dtype::f32);
  fill(p.value, 7);
  p.refresh_compute();
  CHECK(float(ptr<bf16>(model.second.weight)[0]) == 7);
}

TEST_CASE("tape: text and graph name ops, shapes and what is saved") {
  Tensor x = leaf(full({2, 3}, 1));
  Tensor y = record("keeper", clone(detach(x)), {x},
                    [x = save(x)](const Tensor& dy, GradSlots& d) { d.pass(0, dy); });
  CHECK(tape_text(y).find("keeper -> f32 [2, 3]") != std::string::npos);
  CHECK(tape_text(y).find("saves f32 [2, 3]") != std::string::npos);
  CHECK(tape_dot(y).find("digraph tape") == 0);
}
