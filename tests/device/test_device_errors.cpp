// What can be wrong with a GPU, and what the user is told: statuses injected into the emulated
// runtime.
#if defined(CUDA_EMULATED)
#include "device_test.h"
#include "engine/arena.h"
#include "engine/cuda/driver.h"
#include "engine/graph.h"

using namespace autodidact;

namespace {

struct Reset {
  ~Reset() { emulator::reset_device(); }
};

template <class F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& e) { return e; }
  return {ErrorKind::failure, "no error"};
}
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("device errors: why a GPU is not usable") {
  Reset reset;
  CHECK(cuda::find_gpu().usable);
  SUBCASE("no driver") {
    for (int i = 0; i < 2; ++i) emulator::inject("cudaDriverGetVersion", -1);
    emulator::inject("cudaGetDeviceCount", 35);
    cuda::Found f = cuda::find_gpu();
    CHECK_FALSE(f.usable);
    CHECK_FALSE(f.present);
    CHECK(f.reason == "there is no NVIDIA driver on this machine");
  }
  SUBCASE("an old driver") {
    for (int i = 0; i < 2; ++i) emulator::inject("cudaDriverGetVersion", 11040);
    emulator::inject("cudaGetDeviceCount", 35);
    cuda::Found f = cuda::find_gpu();
    CHECK_FALSE(f.usable);
    CHECK(f.present);
    CHECK(f.reason == "the driver is for CUDA 11.4, this program for CUDA 13.0: update the driver");
  }
  SUBCASE("no device") {
    emulator::inject("cudaGetDeviceCount", 100);
    cuda::Found f = cuda::find_gpu();
    CHECK_FALSE(f.usable);
    CHECK_FALSE(f.present);
    CHECK(has(f.reason, "does CUDA_VISIBLE_DEVICES hide it?"));
  }
  SUBCASE("a GPU without code for it") {
    emulator::inject("computeCapability", 75);
    cuda::Found f = cuda::find_gpu();
    CHECK_FALSE(f.usable);
    CHECK(f.present);
    CHECK(has(f.reason, "it needs compute capability 8.0 or later"));
  }
  SUBCASE("something else") {
    emulator::inject("cudaGetDeviceProperties", 1);
    CHECK(cuda::find_gpu().reason == "invalid argument");
  }
  emulator::reset_device();
  CHECK(cuda::find_gpu().usable);  // asking leaves nothing behind
}

TEST_CASE("device errors: a refused launch names the op and what it was") {
  Reset reset;
  Tensor x = full({4}, 2, Dtype::f32, Device::cuda);
  emulator::inject("launch", 209);
  Error e = error_of([&] { relu(x); });
  CHECK(e.kind == ErrorKind::device);
  CHECK(has(e.what(), "relu, launch (grid 1x1x1, block 256x1x1"));
  CHECK(has(e.what(), "it needs compute capability 8.0 or later"));
  CHECK(values_of<float>(relu(x))[0] == 2);  // not a lasting one
}

TEST_CASE("device errors: a failure in backward names its op") {
  Reset reset;
  Tensor x = leaf(full({4}, 2, Dtype::f32, Device::cuda));
  Tensor y = gelu(x);
  emulator::inject("launch", 1);
  Error e = error_of([&] { backward(y, detach(y)); });
  CHECK(e.kind == ErrorKind::device);
  CHECK(std::string(e.what()).find("gelu (backward)") == 0);
}

TEST_CASE("device errors: memory that the driver refuses") {
  Reset reset;
  Arena& arena = *arena_of(Device::cuda);
  arena.give_back();
  for (int i = 0; i < 2; ++i) emulator::inject("cuMemCreate", 2);  // tried again after giving back
  Error e = error_of([&] { empty({100 << 20}, Dtype::u8, Device::cuda); });
  CHECK(e.kind == ErrorKind::device);
  CHECK(std::string(e.what()).find("out of memory: 104857600 bytes asked, ") == 0);
  CHECK_NOTHROW(empty({100 << 20}, Dtype::u8, Device::cuda));
  emulator::inject("cuMemMap", 1);
  arena.give_back();
  e = error_of([&] { empty({100 << 20}, Dtype::u8, Device::cuda); });
  CHECK(e.kind == ErrorKind::device);
  CHECK(has(e.what(), "cuMemMap: invalid argument"));
}

TEST_CASE("device errors: after a sticky one nothing more is believed") {
  Reset reset;
  Tensor x = full({4}, 2, Dtype::f32, Device::cuda);
  synchronize(Device::cuda);
  emulator::inject("cudaStreamSynchronize", 700);
  Error e = error_of([&] { values_of<float>(x); });
  CHECK(e.kind == ErrorKind::device);
  CHECK(has(e.what(), "the GPU stopped: an illegal memory access was encountered"));
  CHECK(has(e.what(), "The last checkpoint is unharmed"));
  CHECK(error_of([&] { values_of<float>(x); }).kind == ErrorKind::device);
  CHECK(error_of([&] { relu(x); }).kind == ErrorKind::device);
  CHECK(error_of([&] { to_device(full({2}, 1), Device::cuda); }).kind == ErrorKind::device);
}

TEST_CASE("device errors: a capture that fails is told, and leaves the queue usable") {
  Reset reset;
  Tensor x = full({4}, 2, Dtype::f32, Device::cuda), y;
  for (const char* call : {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate",
                           "cudaGraphLaunch", "launch"}) {
    Graph step(Device::cuda);
    auto f = [&] { y = square(x); };
    step(f);
    emulator::inject(call, 1);
    CHECK(error_of([&] { step(f); }).kind == ErrorKind::device);
    step(f), step(f);
    CHECK(values_of<float>(y)[0] == 4);
  }
}

#endif
