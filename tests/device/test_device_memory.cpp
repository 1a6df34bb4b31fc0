// Device memory: copies between devices, the arena on virtual memory, and that nothing on the host
// reads or writes it.
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <algorithm>
#include "device_test.h"
#include "engine/arena.h"
#include "engine/module.h"
#include "engine/optimizer.h"

using namespace autodidact;

TEST_CASE("device memory: bytes come back as they went, of any size, through the staging memory") {
  // Around one half of the staging memory (8 MiB) and beyond both.
  for (int n : {1, 3, 255, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, (17 << 20) + 5}) {
    Tensor host = empty({n}, Dtype::u8);
    for (int i = 0; i < n; ++i) ptr<uint8_t>(host)[i] = uint8_t(i * 31 + i / 251);
    Tensor device = to_device(host, Device::cuda), again = clone(device);
    std::vector<uint8_t> expected = values_of<uint8_t>(host);
    std::memset(ptr<uint8_t>(host), 0, size_t(n));  // it was read before to_device returned
    CHECK(values_of<uint8_t>(again) == expected);
  }
  CHECK(values_of<float>(to_device(empty({0}), Device::cuda)).empty());
}

TEST_CASE("device memory: many small copies keep their own bytes") {
  std::vector<Tensor> all;
  Tensor host = empty({1000});
  for (int k = 0; k < 50; ++k) {
    std::fill_n(ptr<float>(host), 1000, float(k));
    all.push_back(to_device(host, Device::cuda));
  }
  for (int k = 0; k < 50; ++k)
    CHECK(values_of<float>(all[size_t(k)]) == std::vector<float>(1000, float(k)));
}

TEST_CASE("device memory: fill, copy, cast, accumulate, views, item") {
  Tensor a = full({2, 3}, 1.5, Dtype::f32, Device::cuda);
  CHECK(values_of<float>(a) == std::vector<float>(6, 1.5f));
  CHECK(values_of<int32_t>(full({3}, -7, Dtype::i32, Device::cuda)) == std::vector(3, -7));
  CHECK(values_of<int64_t>(full({2}, 5, Dtype::i64, Device::cuda)) == std::vector<int64_t>{5, 5});
  CHECK(values_of<uint8_t>(full({2}, 200, Dtype::u8, Device::cuda)) ==
        std::vector<uint8_t>{200, 200});

  accumulate(a, full({2, 3}, 2, Dtype::f32, Device::cuda));
  CHECK(values_of<float>(a) == std::vector<float>(6, 3.5f));
  Tensor low = cast(a, Dtype::bf16);
  CHECK(low.device() == Device::cuda);
  CHECK(float(values_of<bf16>(low)[5]) == 3.5f);
  // To another device and dtype at once, both ways; f64 exists on the CPU only.
  Tensor wide = empty({2, 3}, Dtype::f64);
  copy(wide, low);
  CHECK(ptr<double>(wide)[0] == 3.5);
  ptr<double>(wide)[4] = -2;
  copy(low, wide);
  CHECK(float(values_of<bf16>(low)[4]) == -2);

  Tensor row = view_rows(a, 1, 2);
  copy(row, tensor_of<float>({1, 3}, {7, 8, 9}));
  CHECK(values_of<float>(a) == std::vector<float>{3.5, 3.5, 3.5, 7, 8, 9});
  CHECK(item<float>(view_flat(a, 4, {})) == 8);
  CHECK_THROWS_WITH_AS(item<float>(a), "item: a tensor of one element is needed, got [2, 3]",
                       Error);
  Tensor counter = full({}, 41, Dtype::i64, Device::cuda);
  increment(counter);
  CHECK(item<int64_t>(counter) == 42);
}

TEST_CASE("device memory: the host's code and the device's kernels see their own alone, in words") {
  Tensor host = full({4}, 1), device = full({4}, 1, Dtype::f32, Device::cuda);
  CHECK_THROWS_WITH_AS(ptr<float>(device),
                       doctest::Contains("tensor on cuda read by code that runs on cpu"), Error);
  CHECK_THROWS_WITH_AS(add(device, host),
                       doctest::Contains("tensor on cpu read by code that runs on cuda"), Error);
  CHECK_THROWS_WITH_AS(add(host, device),
                       doctest::Contains("tensor on cuda read by code that runs on cpu"), Error);
  CHECK_NOTHROW(ptr<float>(host));  // an error leaves nothing behind
  Error none(ErrorKind::failure, "");
  try {
    relu(empty({2}, Dtype::f64, Device::cuda));
  } catch (const Error& e) { none = e; }
  CHECK(none.kind == ErrorKind::device);
  CHECK(std::string(none.what()) == "relu: no kernels for f64 on cuda");
}

#if defined(CUDA_EMULATED)

// How a process ends that does this to the memory of t: 0 means nothing happened.
template <class F>
static int end_of(F f) {
  pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL), std::signal(SIGABRT, SIG_DFL);
    f();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST_CASE("device memory: host code that dereferences it stops, whatever ran before") {
  Tensor t = full({1000}, 1, Dtype::f32, Device::cuda);
  auto* p = static_cast<volatile float*>(t.data());
  CHECK(end_of([&] { (void)*p; }) != 0);
  CHECK(end_of([&] { *p = 1; }) != 0);
  synchronize(Device::cuda);  // kernels have run and the memory was open for them
  CHECK(end_of([&] { (void)*p; }) != 0);
  CHECK(values_of<float>(t)[999] == 1);
  CHECK(end_of([&] { *p = 1; }) != 0);
  CHECK(end_of([] {}) == 0);
}

TEST_CASE("device memory: out of memory says by whom, how much, and what there was") {
  Arena& arena = *arena_of(Device::cuda);
  arena.give_back();
  emulator::set_device_memory(emulator::device_memory_used() + (64 << 20));
  struct Restore {
    ~Restore() { emulator::set_device_memory(size_t(4) << 30); }
  } restore;
  {
    Tensor a = empty({12 << 20}, Dtype::u8, Device::cuda), b = empty_like(a), c = empty_like(a);
    size_t in_use = arena.in_use();
    Tensor big = empty({40 << 20}, Dtype::bf16);
    std::string text;
    try {
      big = to_device(big, Device::cuda);
    } catch (const Error& e) {
      CHECK(e.kind == ErrorKind::device);
      text = e.what();
    }
    CHECK(text.find("out of memory: 83886080 bytes asked, " + std::to_string(in_use) +
                    " in use, peak ") == 0);
    CHECK(text.find(", in to_device;") != std::string::npos);
    // The hole that b leaves is too small; its memory is taken from under it for one at the end.
    b = {};
    Tensor d = full({7 << 20}, 3, Dtype::f32, Device::cuda);
    CHECK(values_of<float>(d)[(7 << 20) - 1] == 3);
  }
  arena.give_back();
  CHECK(values_of<float>(full({12 << 20}, 2, Dtype::f32, Device::cuda))[0] == 2);
}

TEST_CASE("device memory: a write past a block's end is found there too") {
  Arena& arena = *arena_of(Device::cuda);
  arena.set_guards(true);
  {
    Tensor t = empty({100}, Dtype::u8, Device::cuda),
           from = full({101}, 1, Dtype::u8, Device::cuda);
    CHECK(values_of<uint8_t>(t)[0] == 0xff);  // poisoned
    CHECK_NOTHROW(arena.check_guards());
    transfer(t.data(), Device::cuda, from.data(), Device::cuda, 101);
    CHECK_THROWS_WITH_AS(
        arena.check_guards(),
        doctest::Contains("guard zone overwritten, block of 100 bytes, at byte 100"), Error);
  }
  CHECK_THROWS_AS(arena.check_guards(), Error);  // as it was released
  CHECK_NOTHROW(arena.check_guards());
  arena.set_guards(false);
}

#endif

namespace {
struct Pair {
  Tensor weight = full({5, 7}, 2), bias = full({7}, 1), count = zeros({}, Dtype::i64);
  void visit(Visitor& v) {
    v("weight", weight, Role::weight), v("bias", bias, Role::scalar);
    v("count", count, Role::buffer);
  }
};
}  // namespace

TEST_CASE("device memory: a model moves as a whole, and trains there as on the CPU") {
  for (Rule rule : {Rule::sgd, Rule::adamw, Rule::lars})
    for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      std::vector<std::vector<float>> ends;
      for (Device device : {Device::cpu, Device::cuda}) {
        Pair model;
        move_to(model, device);
        CHECK(model.count.device() == device);
        Parameters parameters(model, dtype);
        CHECK(parameters.value.device() == device);
        Optimizer optimizer(parameters, {.rule = rule, .weight_decay = 0.1f});
        optimizer.ema = clone(parameters.value);
        for (int step = 0; step < 3; ++step) {
          Tensor x = to_device(cast(full({5, 7}, 0.5 + step), dtype), device);
          backward(add_bias(mul(x, model.weight), model.bias), x);
          optimizer.update(0.1 / (step + 1));
        }
        CHECK(optimizer.step() == 3);
        ends.push_back(values_of<float>(parameters.value));
        std::vector<float> ema = values_of<float>(optimizer.ema);
        ends.back().insert(ends.back().end(), ema.begin(), ema.end());
      }
      REQUIRE(ends[0].size() == ends[1].size());
      for (size_t i = 0; i < ends[0].size(); ++i)
        CHECK(ends[1][i] == doctest::Approx(ends[0][i]).epsilon(1e-6));
    }
}
