// Optimizer steps on emulated CUDA against the CPU: several segments of odd sizes, gaps between
// them, and step values that lie in the queue's memory.
#include "device_check.h"
#include "kernels/optimizer.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

// One element; a part of a pack; a segment that starts and ends inside of packs; one over many
// blocks; two that meet.
const std::vector<Segment> kSegments = {
    {0, 1, 1, 0.01f, true},           {64, 64 + 37, 0.5f, 0, false},
    {131, 131 + 203, 1, 0.05f, true}, {384, 384 + 30001, 1, 0.1f, true},
    {30400, 30408, 2, 0.05f, false},  {30408, 30412, 1, 0, true}};
constexpr int64_t kCount = 30464;
const std::vector<StepValues> kStep = {{0.1f, 0.5f, 0.99f, 0.19f, 0.002f}};
constexpr int kSegmentCount = 6;

// The optimizer has float state alone: these are the checks in f32.
template <class Kernel>
void check_f32(const std::string& what, Kernel kernel) {
  check_device_as<float>(what, kernel);
}

}  // namespace

TEST_CASE("optimizer.cu: SGD with every choice as on the CPU") {
  Values w = random_values(kCount, 1), v = random_values(kCount, 2), ema = random_values(kCount, 3);
  Values g = random_values(kCount, 4), trust = random_values(kSegmentCount, 5, 0.1, 0.5);
  struct Case {
    bool velocity, nesterov, ema, copy, trust;
    int64_t skip;
  };
  for (const Case& k :
       {Case{false, false, false, false, false, 0}, Case{true, false, true, true, false, 0},
        Case{true, true, false, true, true, 0}, Case{true, true, true, true, true, 1}})
    check_f32("sgd", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      SgdUpdate<T> p{};
      p.w = b.update(w), p.gradient = b.in(g);
      if (k.velocity) p.velocity = b.update(v);
      if (k.ema) p.ema = b.update(ema);
      if (k.copy) {
        p.copy = b.template out_as<bf16>(kCount + 8);
        std::fill_n(p.copy, kCount + 8, bf16(7.0f));  // what no segment covers stays
        p.copy += k.skip;                             // an address that holds no pack
      }
      p.trust = k.trust ? b.in(trust) : nullptr;
      p.segments = b.in_exact(kSegments), p.step = b.in_exact(kStep);
      p.segment_count = kSegmentCount, p.momentum = k.velocity ? 0.9f : 0, p.nesterov = k.nesterov;
      run(queue, p);
    });
}

TEST_CASE("optimizer.cu: AdamW as on the CPU") {
  Values w = random_values(kCount, 1), m = random_values(kCount, 2), ema = random_values(kCount, 3);
  Values g = random_values(kCount, 4), v = random_values(kCount, 5, 0.1, 0.5);
  for (bool everything : {true, false})
    check_f32("adamw", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      AdamwUpdate<T> p{};
      p.w = b.update(w), p.m = b.update(m), p.v = b.update(v), p.gradient = b.in(g);
      if (everything) {
        p.ema = b.update(ema);
        p.copy = b.template out_as<bf16>(kCount);
        std::fill_n(p.copy, kCount, bf16(7.0f));
      }
      p.segments = b.in_exact(kSegments), p.step = b.in_exact(kStep);
      p.segment_count = kSegmentCount, p.beta1 = 0.9f, p.beta2 = 0.999f, p.eps = 1e-8f;
      run(queue, p);
    });
}

TEST_CASE("optimizer.cu: the trust of LARS as on the CPU") {
  Values w = random_values(kCount, 1), g = random_values(kCount, 2);
  for (double& x : w) x *= 0.3;
  w[0] = 0;  // all of the first segment: nothing to adapt to
  Values no_gradient(size_t(kCount), 0.0);
  for (const Values& gradient : {g, no_gradient})
    check_f32("lars", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* trust = b.out(kSegmentCount);
      run(queue, LarsTrust<T>{trust, b.in(w), b.in(gradient), b.in_exact(kSegments),
                              b.in_exact(kStep), kSegmentCount, 0.001f, 1e-8f});
    });
}

TEST_CASE("optimizer.cu: the average gives the CPU's bits, of every class") {
  CpuState restore;
  for (int64_t n : {1, 7, 4099}) {
    std::vector<float> w(size_t(n) + 1), start(w.size());
    for (size_t i = 0; i < w.size(); ++i)
      w[i] = std::sin(float(i)), start[i] = std::cos(3 * float(i));
    for (CpuClass c : classes_here()) {
      set_cpu_class(c);
      for (size_t skip : {size_t(0), size_t(1)}) {
        std::vector<float> cpu = start, cuda = start;
        run(Cpu{}, EmaUpdate<float>{cpu.data() + skip, w.data() + skip, kStep.data(), n});
        run(device_queue(), EmaUpdate<float>{cuda.data() + skip, w.data() + skip, kStep.data(), n});
        CHECK(memcmp(cpu.data(), cuda.data(), cpu.size() * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("optimizer.cu: in the optimizer's pass the average and the weights give the CPU's bits") {
  // AVX2 and AVX-512 write the same roundings; the plain body has others.
  CpuState restore;
  if (best_cpu_class() == CpuClass::plain) return;
  set_cpu_class(best_cpu_class());
  std::vector<float> g(kCount), start(kCount);
  for (size_t i = 0; i < g.size(); ++i) g[i] = std::sin(float(i)), start[i] = std::cos(float(i));
  auto step = [&](auto queue) {
    std::vector<float> w = start, v = start, ema = start;
    run(queue, SgdUpdate<float>{w.data(), v.data(), ema.data(), nullptr, g.data(), nullptr,
                                kSegments.data(), kStep.data(), kSegmentCount, 0.9f, true});
    w.insert(w.end(), v.begin(), v.end());
    w.insert(w.end(), ema.begin(), ema.end());
    return w;
  };
  std::vector<float> cpu = step(Cpu{}), cuda = step(device_queue());
  CHECK(memcmp(cpu.data(), cuda.data(), cpu.size() * sizeof(float)) == 0);
}
