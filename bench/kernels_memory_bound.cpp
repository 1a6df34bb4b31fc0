// Kernels that are bound by memory, at shapes of ResNet-18 and ResNet-26 on 32 x 32 images at batch
// 128: bytes per second of the traffic that the kernel's definition asks for (each array once; a
// statistic needs its input twice), beside the stream ceiling of the same run.
#include <cstdlib>
#include <string>
#include "bench/ceilings.h"
#include "kernels/augment.h"
#include "kernels/batchnorm.h"
#include "kernels/elementwise.h"
#include "kernels/groupnorm.h"
#include "kernels/layernorm.h"
#include "kernels/optimizer.h"
#include "kernels/pool.h"
#include "kernels/reduction.h"
#include "kernels/softmax.h"

using namespace autodidact;

namespace {

template <class T>
const char* type_name() {
  return std::is_same_v<T, bf16> ? "bf16" : "f32";
}

template <class T>
std::vector<T> numbers(int64_t n) {
  std::vector<T> v(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) v[size_t(i)] = T(float(i % 251) * 0.01f - 1.2f);
  return v;
}

// Bytes per second of CPU time over all threads, as the ceiling counts them.
template <class Body>
void add(const std::string& what, Body body) {
  benchmark::RegisterBenchmark(what.c_str(), body)->MeasureProcessCPUTime();
}

// Runs `kernel` and reports `bytes` a call.
template <class Kernel>
void measure(benchmark::State& state, int64_t bytes, Kernel kernel) {
  for (auto _ : state) {
    run(Cpu{}, kernel);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(int64_t(state.iterations()) * bytes);
}

template <class T>
void elementwise(const char* size, int64_t n) {
  constexpr int64_t kSize = sizeof(T);
  auto with_memory = [=](const char* what, auto body) {
    add(std::string(what) + "/" + type_name<T>() + "/" + size, [=](benchmark::State& s) {
      auto x = numbers<T>(n), y = x, z = x;
      body(s, x.data(), y.data(), z.data());
    });
  };
  with_memory("relu", [=](auto& s, T* x, T* y, T*) {
    measure(s, 2 * n * kSize, UnaryForward<Relu, T>{y, x, n});
  });
  with_memory("gelu", [=](auto& s, T* x, T* y, T*) {
    measure(s, 2 * n * kSize, UnaryForward<Gelu, T>{y, x, n});
  });
  with_memory("gelu_backward", [=](auto& s, T* x, T* y, T* z) {
    measure(s, 3 * n * kSize, UnaryBackward<Gelu, T>{z, y, x, nullptr, n});
  });
  with_memory("add", [=](auto& s, T* x, T* y, T* z) {
    measure(s, 3 * n * kSize, BinaryForward<Add, T>{z, x, y, n, n});
  });
}

template <class T>
void norms(int samples, int pixels, int channels) {
  std::string shape = std::string(type_name<T>()) + "/" + std::to_string(samples) + "x" +
                      std::to_string(pixels) + "x" + std::to_string(channels);
  int64_t rows = int64_t(samples) * pixels, n = rows * channels, bytes = n * int64_t(sizeof(T));
  struct Memory {
    std::vector<T> x, y, dy, dx;
    std::vector<float> gamma, beta, mean, rstd, running_mean, running_var, dgamma, dbeta;
    Memory(int64_t n, int samples, int channels)
        : x(numbers<T>(n)),
          y(x),
          dy(x),
          dx(x),
          gamma(numbers<float>(channels)),
          beta(gamma),
          mean(numbers<float>(int64_t(samples) * channels)),
          rstd(mean),
          running_mean(gamma),
          running_var(gamma),
          dgamma(gamma),
          dbeta(gamma) {}
  };
  add("batchnorm_relu/" + shape, [=](benchmark::State& s) {
    Memory m(n, samples, channels);
    measure(s, 3 * bytes,
            BatchNormForward<T>{m.y.data(), m.mean.data(), m.rstd.data(), m.running_mean.data(),
                                m.running_var.data(), m.x.data(), m.gamma.data(), m.beta.data(),
                                nullptr, rows, channels, 1, 1e-5f, 0.1f, true});
  });
  add("batchnorm_relu_backward/" + shape, [=](benchmark::State& s) {
    Memory m(n, samples, channels);
    measure(s, 7 * bytes,
            BatchNormBackward<T>{m.dx.data(), m.dgamma.data(), m.dbeta.data(), nullptr, m.dy.data(),
                                 m.x.data(), m.y.data(), m.gamma.data(), m.mean.data(),
                                 m.rstd.data(), rows, channels, 1, true, false});
  });
  add("groupnorm_relu/" + shape, [=](benchmark::State& s) {
    Memory m(n, samples, channels);
    measure(
        s, 2 * bytes,
        GroupNormForward<T>{m.y.data(), m.mean.data(), m.rstd.data(), m.x.data(), m.gamma.data(),
                            m.beta.data(), nullptr, samples, pixels, channels, 8, 1e-5f, true});
  });
  add("groupnorm_relu_backward/" + shape, [=](benchmark::State& s) {
    Memory m(n, samples, channels);
    measure(s, 4 * bytes,
            GroupNormBackward<T>{m.dx.data(), m.dgamma.data(), m.dbeta.data(), nullptr, m.dy.data(),
                                 m.x.data(), m.y.data(), m.gamma.data(), m.mean.data(),
                                 m.rstd.data(), samples, pixels, channels, 8, true});
  });
}

void layernorm(int64_t rows, int cols) {
  add("layernorm/f32/25600x192", [=](benchmark::State& s) {
    auto x = numbers<float>(rows * cols), y = x, gamma = numbers<float>(cols), beta = gamma;
    auto mean = numbers<float>(rows), rstd = mean;
    measure(s, 2 * rows * cols * 4,
            LayerNormForward<float>{y.data(), mean.data(), rstd.data(), x.data(), gamma.data(),
                                    beta.data(), rows, cols, 1e-6f});
  });
}

template <class T>
void augment(const char* name, Rotation rotation) {
  add(name, [=](benchmark::State& s) {
    constexpr int kSamples = 128, kSize = 32;
    int copies = rotation == Rotation::all ? 4 : 1;
    int64_t pixels = int64_t(kSamples) * kSize * kSize * 3;
    std::vector<uint8_t> images(size_t(pixels), 77);
    std::vector<T> y(size_t(pixels * copies));
    std::vector<int32_t> turns(size_t(kSamples * copies));
    std::vector<int64_t> indices(kSamples);
    for (int i = 0; i < kSamples; ++i) indices[size_t(i)] = i;
    measure(s, pixels * (1 + copies * int64_t(sizeof(T))),
            Augment<T>{y.data(),
                       turns.data(),
                       images.data(),
                       indices.data(),
                       kSamples,
                       kSize,
                       kSize,
                       3,
                       4,
                       kSize,
                       {0.5f, 0.5f, 0.5f, 0.5f},
                       {0.25f, 0.25f, 0.25f, 0.25f},
                       true,
                       true,
                       rotation,
                       1,
                       2,
                       3});
    s.counters["images/s"] =
        benchmark::Counter(double(s.iterations()) * kSamples * copies, benchmark::Counter::kIsRate);
  });
}

// ResNet-18's 11.2 million weights in one segment.
void optimizers() {
  constexpr int64_t kCount = 11200000;
  static const Segment segment{0, kCount, 1, 1e-4f, true};
  static const StepValues step{0.1f, 1, 0.99f, 0.1f, 0.01f};
  add("sgd_momentum/f32", [](benchmark::State& s) {
    auto w = numbers<float>(kCount), v = w, g = w;
    measure(s, 5 * kCount * 4,
            SgdUpdate<float>{w.data(), v.data(), nullptr, nullptr, g.data(), nullptr, &segment,
                             &step, 1, 0.9f, false});
  });
  add("sgd_momentum_ema_bf16copy/f32", [](benchmark::State& s) {
    auto w = numbers<float>(kCount), v = w, g = w, ema = w;
    std::vector<bf16> copy(kCount);
    measure(s, (7 * 4 + 2) * kCount,
            SgdUpdate<float>{w.data(), v.data(), ema.data(), copy.data(), g.data(), nullptr,
                             &segment, &step, 1, 0.9f, false});
  });
  add("adamw/f32", [](benchmark::State& s) {
    auto w = numbers<float>(kCount), m = w, g = w;
    std::vector<float> v(kCount, 0.5f);
    measure(s, 7 * kCount * 4,
            AdamwUpdate<float>{w.data(), m.data(), v.data(), nullptr, nullptr, g.data(), &segment,
                               &step, 1, 0.9f, 0.999f, 1e-8f});
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (const char* threads = std::getenv("BENCH_THREADS")) set_thread_count(std::atoi(threads));
  benchmark::AddCustomContext("class", name(cpu_class()));
  benchmark::AddCustomContext("threads", std::to_string(thread_count()));
  register_ceilings();
  elementwise<float>("4M", 4 << 20);
  elementwise<bf16>("4M", 4 << 20);
  for (auto [pixels, channels] : {std::pair{1024, 64}, {64, 256}, {1024, 16}, {256, 32}}) {
    norms<float>(128, pixels, channels);
    norms<bf16>(128, pixels, channels);
  }
  layernorm(25600, 192);
  augment<float>("augment/f32/random_turn", Rotation::random);
  augment<float>("augment/f32/all_turns", Rotation::all);
  optimizers();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
