// What the tape keeps of the blocks of a network, by bounds on the arena: outputs that can be made
// again are not kept, whatever is between them.
#include <doctest/doctest.h>
#include <cstring>
#include "engine/arena.h"
#include "engine/ops.h"
#include "engine/random.h"

using namespace autodidact;

namespace {

Tensor random(const Shape& shape, uint64_t seed, double scale = 1) {
  Tensor t = empty(shape);
  Rng rng(seed);
  fill_normal(t, 0, float(scale), rng);
  return t;
}

struct Channels {  // what BatchNorm needs
  Tensor gamma, beta, mean, var;
  explicit Channels(int c)
      : gamma(leaf(full({c}, 1))), beta(leaf(zeros({c}))), mean(zeros({c})), var(full({c}, 1)) {}
  Tensor operator()(const Tensor& x, const NormOptions& options) {
    return batchnorm(x, gamma, beta, mean, var, options);
  }
};

// `of` on the memory that the tape keeps after f, and on the high-water mark of backward above it.
struct Use {
  size_t kept, peak;
};
template <class F>
Use use_of(F f) {
  const size_t before = cpu_arena().in_use();
  Tensor y = f();
  Tensor dy = full(y.shape, 1);
  y.buffer = nullptr;  // the tape alone
  const size_t kept = cpu_arena().in_use() - before - dy.bytes();
  cpu_arena().reset_peak();
  backward(y, dy);
  return {kept, cpu_arena().peak() - before};
}

constexpr size_t kSmall = 1 << 16;  // statistics, gradients of weights: beside maps of 2 MiB

}  // namespace

TEST_CASE("saved: two residual blocks keep their convolutions' outputs and one input of a block") {
  constexpr int C = 16, N = 32, side = 32;
  const size_t map = size_t(N) * side * side * C * sizeof(float);
  Tensor images = random({N, side, side, C}, 1);
  std::vector<Tensor> w;
  for (int i = 0; i < 5; ++i) w.push_back(leaf(random({C, 3, 3, C}, uint64_t(i) + 2, 0.1)));
  std::vector<Channels> norms(5, Channels(C));
  auto conv = [&](const Tensor& x, int i) { return conv2d(x, w[size_t(i)], {}, {.padding = 1}); };
  Use use = use_of([&] {
    Tensor x = norms[0](conv(images, 0), {.relu = true});
    for (int i = 1; i < 5; i += 2) {
      Tensor h = norms[size_t(i)](conv(x, i), {.relu = true});
      x = norms[size_t(i) + 1](conv(h, i + 1), {.relu = true, .residual = x});
    }
    return x;
  });
  // Five outputs of convolutions, and the first block's: the second's is made from it.
  CHECK(use.kept <= 6 * map + kSmall);
  // Beside them at most the last block's output, and the gradients of a norm's output, of its
  // residual and of its input.
  CHECK(use.peak <= 10 * map + kSmall);
}

TEST_CASE("saved: a transformer block keeps nine times its input") {
  constexpr int C = 64, T = 16, N = 512, heads = 4;
  const size_t rows = size_t(N) * T * sizeof(float), stream = rows * C;
  auto weight = [](int out, int in) { return leaf(random({out, in}, uint64_t(out), 0.05)); };
  Tensor x = leaf(random({N, T, C}, 1)), qkv = weight(3 * C, C), proj = weight(C, C);
  Tensor fc1 = weight(4 * C, C), fc2 = weight(C, 4 * C);
  Tensor gamma = leaf(full({C}, 1)), beta = leaf(zeros({C}));
  Use use = use_of([&] {
    Tensor h = x + linear(attention(linear(layernorm(x, gamma, beta), qkv), heads), proj);
    return h + linear(gelu(linear(layernorm(h, gamma, beta), fc1)), fc2);
  });
  // x is the caller's. The stream between the halves, qkv, fc1's output; per row the statistics of
  // two norms and the attention's log sum exp.
  CHECK(use.kept <= (1 + 3 + 4) * stream + (4 + heads) * rows);
  // gelu's output and its gradient beside them.
  CHECK(use.peak <= (8 + 4 + 4 + 2) * stream + 4 * kSmall);
}

TEST_CASE("saved: the same gradients whether outputs are made again or held") {
  Tensor images = random({4, 8, 8, 8}, 1);
  auto gradient = [&](bool held) {
    Tensor w = leaf(random({8, 3, 3, 8}, 2, 0.2)), w2 = leaf(random({8, 3, 3, 8}, 3, 0.2));
    Channels norm(8);
    std::vector<Tensor> holds;
    auto hold = [&](Tensor t) {
      if (held) holds.push_back(t);
      return t;
    };
    Tensor h = hold(norm(conv2d(images, w), {.relu = true}));
    h = hold(gelu(groupnorm(conv2d(h, w2), norm.gamma, norm.beta, 4)));
    h = hold(norm(h, {.relu = true}));
    Tensor loss = sum(mul(h, h));
    h = {};
    backward(loss);
    return w.node->grad;
  };
  Tensor held = gradient(true), made = gradient(false);
  CHECK(std::memcmp(held.data(), made.data(), held.bytes()) == 0);
}
