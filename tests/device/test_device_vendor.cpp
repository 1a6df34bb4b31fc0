// The vendor's libraries on the engine's queue: in captured steps, and what their failures become.
#if defined(HAS_VENDOR)
#include "device_test.h"
#include "engine/graph.h"
#include "kernels/vendor/vendor.h"

using namespace autodidact;

namespace {

struct Strict {
  vendor::Mode before = vendor::mode();
  Strict() { vendor::set_mode(vendor::Mode::strict); }
  ~Strict() { vendor::set_mode(before); }
};

// Five steps of a convolution and a product with a bias, forward and backward, on an input that
// changes.
std::vector<float> results(Replay replay, Dtype dtype) {
  auto filled = [&](const Shape& shape, double value, Dtype type) {
    Tensor t = empty(shape);
    for (int64_t i = 0; i < t.size(); ++i) ptr<float>(t)[i] = float(value + 0.01 * double(i % 37));
    return to_device(cast(t, type), Device::cuda);
  };
  Tensor x = filled({2, 6, 6, 8}, -0.2, dtype), w = filled({16, 3, 3, 8}, -0.1, dtype);
  Tensor v = filled({5, 16}, -0.15, dtype), b = filled({5}, 0.3, Dtype::f32), result;
  std::vector<float> all;
  Graph step(Device::cuda, replay);
  for (int i = 0; i < 5; ++i) {
    copy(x, scale(x, 1.25));
    step([&] {
      const std::vector<Tensor> inputs{leaf(x), leaf(w), leaf(v), leaf(b)};
      Tensor y = conv2d(inputs[0], inputs[1], {}, {.stride = 2, .padding = 1});
      Tensor loss = mean(square(linear(y, inputs[2], inputs[3])));
      backward(loss);
      result = detach(loss);
      for (const Tensor& t : inputs) result = add(result, mean(t.node->grad));
    });
    all.push_back(item<float>(result));
  }
  CHECK(step.replays() == (replay == Replay::always));
  return all;
}

}  // namespace

TEST_CASE("device vendor: a captured step gives the same bytes, and nothing in it is stale") {
  Strict strict;
  for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    const std::vector<float> launched = results(Replay::never, dtype);
    CHECK(launched == results(Replay::always, dtype));
    CHECK(launched == results(Replay::checked, dtype));
    CHECK(launched[0] != launched[4]);
  }
}

#if defined(CUDA_EMULATED)
TEST_CASE("device vendor: an argument that changes from call to call is found") {
  Strict strict;
  Tensor a = full({4, 4}, 1, Dtype::f32, Device::cuda);
  Graph step(Device::cuda, Replay::checked);
  auto multiply = [&] { matmul(a, a); };
  step(multiply), step(multiply);
  a = full({4, 4}, 2, Dtype::f32, Device::cuda);
  CHECK_THROWS_WITH_AS(step(multiply), doctest::Contains("cublasLtMatmul"), Error);
}

TEST_CASE("device vendor: a library's failure is the device's, with op, call, status and shape") {
  Strict strict;
  struct Reset {
    ~Reset() { emulator::reset_device(); }
  } reset;
  Tensor a = full({4, 6}, 1, Dtype::f32, Device::cuda);
  matmul(a, a, false, true);
  emulator::inject("cublasLtMatmul", 13);
  Error none(ErrorKind::failure, "");
  try {
    matmul(a, a, false, true);
  } catch (const Error& e) { none = e; }
  CHECK(none.kind == ErrorKind::device);
  CHECK(std::string(none.what()) ==
        "multiply, cublasLtMatmul of gemm<f32> m 4 n 4 k 6, B transposed: "
        "CUBLAS_STATUS_EXECUTION_FAILED (13): the function failed to launch on the GPU; "
        "AUTODIDACT_VENDOR=off does without the library");
  CHECK(values_of<float>(matmul(a, a, false, true))[0] == 6);
}
#endif
#endif
