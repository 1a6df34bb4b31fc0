// The two ends of a training step: augmentation and the optimizers.
#include <cstring>
#include <memory>
#include <numeric>
#include "bench/cases/case.h"
#include "kernels/augment.h"
#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "kernels/parallel.h"

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

// By ops, each a pass over uint8 pictures, as a chain of transforms has them: crop, flip, turn;
// then to float, normalised. On the CPU alone.
BenchWork augment_chain(const BenchShape& s, Device device) {
  if (device != Device::cpu) fail(ErrorKind::usage, "bench: augment_chain is of the CPU");
  const int side = s["H"], pad = s["P"], samples = s["N"];
  const int64_t row = 3 * int64_t(side), picture = row * side;
  struct Buffers {
    std::vector<uint8_t> images, cropped, flipped, turned;
    std::vector<float> y;
  };
  auto b = std::make_shared<Buffers>();
  const auto bytes = static_cast<size_t>(picture * samples);
  b->images.assign(bytes, 77), b->cropped = b->flipped = b->turned = b->images, b->y.resize(bytes);
  auto draw_of = [=](int64_t n) {
    return draw_augmentation(kBenchSeed, 0, 0, uint64_t(n), 2 * pad, 2 * pad, true, true, true);
  };
  auto each = [=](auto f) { parallel_for(samples, 1, [&](int64_t n, int64_t) { f(n); }); };
  auto crop = [=](int64_t n) {
    const AugmentDraw d = draw_of(n);
    for (int i = 0; i < side; ++i) {
      uint8_t* to = &b->cropped[size_t(n * picture + i * row)];
      const int from = i + d.top - pad, left = std::max(0, pad - d.left);
      const int right = std::min(side, side + pad - d.left);
      std::memset(to, 0, size_t(row));
      if (from < 0 || from >= side || right <= left) continue;
      std::memcpy(to + 3 * left,
                  &b->images[size_t(n * picture + from * row + 3 * (left + d.left - pad))],
                  size_t(3 * (right - left)));
    }
  };
  auto move_pixels = [=](int64_t n, const std::vector<uint8_t>& from, std::vector<uint8_t>& to,
                         auto source) {
    for (int i = 0; i < side; ++i)
      for (int j = 0; j < side; ++j) {
        const Pixel p = source(i, j);
        std::memcpy(&to[size_t(n * picture + i * row + 3 * j)],
                    &from[size_t(n * picture + p.row * row + 3 * p.col)], 3);
      }
  };
  BenchWork work;
  work.bytes = double(picture) * samples * (7 + 4);
  work.run = [=] {
    each(crop);
    each([&](int64_t n) {
      const bool flip = draw_of(n).flip;
      move_pixels(n, b->cropped, b->flipped, [&](int i, int j) {
        return Pixel{i, flip ? side - 1 - j : j};
      });
    });
    each([&](int64_t n) {
      const int turns = draw_of(n).turns;
      move_pixels(n, b->flipped, b->turned,
                  [&](int i, int j) { return before_turn(i, j, turns, side); });
    });
    each([&](int64_t n) {
      const uint8_t* from = &b->turned[size_t(n * picture)];
      float* to = &b->y[size_t(n * picture)];
      for (int64_t i = 0; i < picture; ++i) to[i] = (float(from[i]) * (1 / 255.0f) - 0.5f) * 4;
    });
  };
  return work;
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
// The same, an op after another.
BenchWork sgd_ema_chain(const BenchShape& s, Device device) {
  const int64_t n = s["N"];
  BenchMemory m(device);
  const Step step(m, n);
  float *w = m.numbers<float>(n), *ema = m.numbers<float>(n);
  return m.work(
      std::tuple(SgdUpdate<float>{w, m.numbers<float>(n), nullptr, nullptr, m.numbers<float>(n),
                                  nullptr, step.segment, step.values, 1, 0.9f, false},
                 EmaUpdate<float>{ema, w, step.values, n},
                 Cast<bf16, float>{m.numbers<bf16>(n), w, n}),
      0, (5.0 * 4 + 3 * 4 + 4 + 2) * double(n));
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

std::vector<BenchKernel> augment_benches() {
  const std::vector<BenchShape> pictures = {{{"N", 128}, {"H", 32}, {"P", 4}}};
  return {{"augment", "N pictures H x H: crop from a border of P, flip, one random turn, normalise",
           pictures, augment_turn<float>, augment_turn<bf16>},
          {"augment_chain", "by ops: crop, flip, turn, each a pass, then to float", pictures,
           augment_chain},
          {"augment_all_turns", "the same with all four turns of each", pictures,
           augment_all_turns<float>, augment_all_turns<bf16>}};
}

std::vector<BenchKernel> optimizer_benches() {
  const std::vector<BenchShape> resnet18 = {{{"N", 11'200'000}}};
  return {
      {"sgd", "N weights, with momentum", resnet18, sgd},
      {"sgd_ema", "with a weight average and the weights' bf16 copy", resnet18, sgd_ema},
      {"sgd_ema_chain", "by ops: sgd, then the average, then the copy", resnet18, sgd_ema_chain},
      {"adamw", "N weights", resnet18, adamw},
      {"lars_norms", "the pass before sgd that measures N weights", resnet18, lars_norms}};
}

}  // namespace autodidact
