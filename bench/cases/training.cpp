// The two ends of a training step: augmentation and the optimizers.
#include <numeric>
#include "bench/cases/case.h"
#include "kernels/augment.h"
#include "kernels/optimizer.h"

namespace autodidact {
namespace {

// N pictures, H x H, 3 channels, crops from a border of P pixels.
template <class T>
BenchWork augment(const BenchShape& s, Rotation rotation, Device device) {
  const int64_t pixels = 3 * s.product({"N", "H", "H"}), copies = rotation == Rotation::all ? 4 : 1;
  BenchMemory m(device);
  std::vector<int64_t> indices(static_cast<size_t>(s["N"]));
  std::iota(indices.begin(), indices.end(), 0);
  Augment<T> a{};
  a.y = m.numbers<T>(pixels * copies), a.turns = m.filled<int32_t>(s["N"] * copies, 0);
  a.images = m.filled<uint8_t>(pixels, 77), a.indices = m.of(indices);
  a.samples = s["N"], a.height = a.width = a.size = s["H"], a.channels = 3, a.pad = s["P"];
  std::fill_n(a.mean, 4, 0.5f), std::fill_n(a.std, 4, 0.25f);
  a.random_crop = a.random_flip = true, a.rotation = rotation, a.seed = kBenchSeed;
  return m.work(a, 0, double(pixels) * double(1 + copies * int64_t(sizeof(T))));
}
template <class T>
BenchWork augment_turn(const BenchShape& s, Device device) {
  return augment<T>(s, Rotation::random, device);
}
template <class T>
BenchWork augment_all_turns(const BenchShape& s, Device device) {
  return augment<T>(s, Rotation::all, device);
}

// One segment: a step's table has a row a parameter, which is nothing beside the weights.
struct Step {
  Segment* segment;
  StepValues* values;
  Step(BenchMemory& m, int64_t n)
      : segment(m.of<Segment>({{0, n, 1, 1e-4f, true}})),
        values(m.of<StepValues>({{1e-3f, 1, 0.99f, 0.1f, 0.01f}})) {}
};

BenchWork sgd(const BenchShape& s, Device device) {
  const int64_t n = s["N"];
  BenchMemory m(device);
  const Step step(m, n);
  return m.work(
      SgdUpdate<float>{m.numbers<float>(n), m.numbers<float>(n), nullptr, nullptr,
                       m.numbers<float>(n), nullptr, step.segment, step.values, 1, 0.9f, false},
      0, 5.0 * double(n) * 4);
}
BenchWork sgd_ema(const BenchShape& s, Device device) {
  const int64_t n = s["N"];
  BenchMemory m(device);
  const Step step(m, n);
  return m.work(SgdUpdate<float>{m.numbers<float>(n), m.numbers<float>(n), m.numbers<float>(n),
                                 m.numbers<bf16>(n), m.numbers<float>(n), nullptr, step.segment,
                                 step.values, 1, 0.9f, false},
                0, (7.0 * 4 + 2) * double(n));
}
BenchWork adamw(const BenchShape& s, Device device) {
  const int64_t n = s["N"];
  BenchMemory m(device);
  const Step step(m, n);
  return m.work(AdamwUpdate<float>{m.numbers<float>(n), m.numbers<float>(n),
                                   m.filled<float>(n, 0.5f), nullptr, nullptr, m.numbers<float>(n),
                                   step.segment, step.values, 1, 0.9f, 0.999f, 1e-8f},
                0, 7.0 * double(n) * 4);
}
BenchWork lars_norms(const BenchShape& s, Device device) {
  const int64_t n = s["N"];
  BenchMemory m(device);
  const Step step(m, n);
  return m.work(LarsTrust<float>{m.numbers<float>(1), m.numbers<float>(n), m.numbers<float>(n),
                                 step.segment, step.values, 1, 1e-3f, 1e-8f},
                0, 2.0 * double(n) * 4);
}

}  // namespace

std::vector<BenchKernel> augment_cases() {
  const std::vector<BenchShape> pictures = {{{"N", 128}, {"H", 32}, {"P", 4}}};
  return {{"augment", "N pictures H x H: crop from a border of P, flip, one random turn, normalise",
           pictures, augment_turn<float>, augment_turn<bf16>},
          {"augment_all_turns", "the same with all four turns of each", pictures,
           augment_all_turns<float>, augment_all_turns<bf16>}};
}

std::vector<BenchKernel> optimizer_cases() {
  const std::vector<BenchShape> resnet18 = {{{"N", 11'200'000}}};
  return {{"sgd", "N weights, with momentum", resnet18, sgd},
          {"sgd_ema", "with a weight average and the weights' bf16 copy", resnet18, sgd_ema},
          {"adamw", "N weights", resnet18, adamw},
          {"lars_norms", "the pass before sgd that measures N weights", resnet18, lars_norms}};
}

}  // namespace autodidact
