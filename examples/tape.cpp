// A two-layer network on the engine: what the tape holds, and what backward leaves. Build and run:
//   cmake --preset release && cmake --build --preset release --target tape
//   build/release/examples/tape
#include <iostream>
#include "engine/module.h"
#include "engine/ops.h"
#include "engine/optimizer.h"
#include "engine/random.h"

using namespace autodidact;

struct TwoLayers {  // logits = w2 relu(w1 x + b1) + b2
  Tensor w1 = empty({16, 2}), b1 = zeros({16}), w2 = empty({2, 16}), b2 = zeros({2});

  explicit TwoLayers(Rng& rng) {
    fill_normal(w1, 0, 1, rng);
    fill_normal(w2, 0, 0.3f, rng);
  }
  Tensor operator()(const Tensor& x) const { return linear(relu(linear(x, w1, b1)), w2, b2); }
  void visit(Visitor& v) {
    v("w1", w1, Role::weight), v("b1", b1, Role::scalar), v("w2", w2, Role::weight),
        v("b2", b2, Role::scalar);
  }
};

int main() {
  Rng rng(1);
  TwoLayers model(rng);
  Parameters parameters(model);  // one flat buffer of values, one of gradients
  Optimizer optimizer(parameters, {.momentum = 0});

  // Exclusive or: no line separates the classes, so the hidden layer has to learn something.
  Tensor x = tensor_of<float>({4, 2}, {0, 0, 0, 1, 1, 0, 1, 1});
  Tensor labels = tensor_of<int32_t>({4}, {0, 1, 1, 0});

  for (int step = 0; step <= 200; ++step) {
    Tensor loss = cross_entropy(model(x), labels);
    if (step == 0)
      std::cout << "The tape of one step, oldest node first:\n" << tape_text(loss) << '\n';
    if (step % 50 == 0) std::cout << "step " << step << "  loss " << ptr<float>(loss)[0] << '\n';

    backward(loss);
    optimizer.update(0.5);  // w -= 0.5 dw
  }
}
