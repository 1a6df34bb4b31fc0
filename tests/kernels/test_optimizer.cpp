// Every optimizer rule, several steps, against the textbook loop in double, on every class: flat
// buffers with gaps between the segments, which must stay as they are.
#include <cmath>
#include "kernels/optimizer.h"
#include "tests/kernels/kernel_check.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

// Odd sizes, one larger than a chunk, gaps between.
const std::vector<Segment> kSegments = {{0, 1, 1, 0.01f, true},
                                        {64, 64 + 37, 0.5f, 0, false},
                                        {128, 128 + 40001, 1, 0.05f, true},
                                        {40192, 40192 + 8, 2, 0.05f, false}};
constexpr int64_t kCount = 40256;
constexpr int kSteps = 4;

StepValues step_values(int t, float beta1 = 0.9f, float beta2 = 0.999f) {
  return {0.1f / float(t), 0.5f, 0.99f, float(1 - std::pow(double(beta1), t)),
          float(1 - std::pow(double(beta2), t))};
}

struct State {
  Values w, a, b, ema, gradient[kSteps];
  State() : w(random_values(kCount, 1)), a(kCount), b(kCount), ema(random_values(kCount, 2)) {
    for (double* p : {w.data(), ema.data()})
      for (int64_t i = 0; i < kCount; ++i) p[i] = double(float(p[i]));
    for (int t = 0; t < kSteps; ++t) {
      gradient[t] = random_values(kCount, uint64_t(10 + t));
      for (double& g : gradient[t]) g = double(float(g));
    }
  }
};

template <class Rule>
State textbook(Rule rule) {
  State s;
  for (int t = 1; t <= kSteps; ++t) {
    StepValues v = step_values(t);
    for (const Segment& seg : kSegments) {
      double ww = 0, gg = 0;
      for (int64_t i = seg.begin; i < seg.end; ++i) {
        double g = s.gradient[t - 1][size_t(i)] * double(v.gradient_scale);
        ww += s.w[size_t(i)] * s.w[size_t(i)], gg += g * g;
      }
      for (int64_t i = seg.begin; i < seg.end; ++i) {
        size_t k = size_t(i);
        double g = s.gradient[t - 1][k] * double(v.gradient_scale);
        rule(s.w[k], s.a[k], s.b[k], g, seg, v, std::sqrt(ww), std::sqrt(gg), t);
        double m = double(v.ema_momentum);
        s.ema[k] = m * s.ema[k] + (1 - m) * s.w[k];
      }
    }
  }
  return s;
}

template <class T>
std::vector<T> narrowed(const Values& v) {
  std::vector<T> r(v.size());
  for (size_t i = 0; i < v.size(); ++i) r[i] = T(v[i]);
  return r;
}

template <class T, class Launch>
void compare(const State& expected, Launch launch) {
  CpuState restore;
  State start;
  for (CpuClass c : classes_here()) {
    set_cpu_class(c);
    std::vector<T> first;
    for (int threads : {1, 3}) {
      set_thread_count(threads);
      std::vector<T> w = narrowed<T>(start.w), a(kCount), b(kCount), ema = narrowed<T>(start.ema);
      std::vector<bf16> copy(kCount, bf16(7.0f));
      for (int t = 1; t <= kSteps; ++t) {
        StepValues v = step_values(t);
        std::vector<T> g = narrowed<T>(start.gradient[t - 1]);
        launch(w.data(), a.data(), b.data(), ema.data(), copy.data(), g.data(), &v);
      }
      INFO(std::string(name(c)) << ", " << threads << " threads");
      if (!first.empty()) CHECK(memcmp(first.data(), w.data(), w.size() * sizeof(T)) == 0);
      first = w;
      std::vector<bool> inside(kCount);
      for (const Segment& s : kSegments)
        for (int64_t i = s.begin; i < s.end; ++i) inside[size_t(i)] = true;
      // A handful of roundings a step of numbers below 4.
      double tolerance = kSteps * 8 * 4 * (sizeof(T) == 4 ? 0x1p-24 : 0x1p-24 * 0x1p-24);
      bool gaps_kept = true, copied = true;
      double worst = 0;
      for (size_t i = 0; i < w.size(); ++i) {
        if (!inside[i]) {
          gaps_kept &= w[i] == T(start.w[i]) && ema[i] == T(start.ema[i]) && float(copy[i]) == 7.0f;
          continue;
        }
        copied &= copy[i].bits == bf16(float(w[i])).bits;
        worst = std::max(worst, std::abs(double(w[i]) - expected.w[i]));
        worst = std::max(worst, std::abs(double(ema[i]) - expected.ema[i]));
        worst = std::max(worst, std::abs(double(a[i]) - expected.a[i]));
        worst = std::max(worst, std::abs(double(b[i]) - expected.b[i]));
      }
      CHECK(gaps_kept);
      CHECK(copied);
      CHECK(worst <= tolerance);
    }
  }
}

template <class T>
void check_sgd(float momentum, bool nesterov, bool lars) {
  State expected = textbook([&](double& w, double& velocity, double&, double g, const Segment& s,
                                const StepValues& v, double w_norm, double g_norm, int t) {
    double decay = double(s.weight_decay), m = double(momentum);
    double d = g + decay * w;
    if (lars && s.adapt) d *= double(0.001f) * w_norm / (g_norm + decay * w_norm + double(1e-8f));
    if (momentum > 0) {
      velocity = t == 1 ? d : m * velocity + d;
      d = nesterov ? d + m * velocity : velocity;
    }
    w -= double(v.lr) * double(s.lr_scale) * d;
  });
  int count = int(kSegments.size());
  compare<T>(expected, [&](T* w, T* a, T*, T* ema, bf16* copy, const T* g, const StepValues* v) {
    std::vector<T> trust(kSegments.size());
    if (lars)
      run(Cpu{}, LarsTrust<T>{trust.data(), w, g, kSegments.data(), v, count, 0.001f, 1e-8f});
    run(Cpu{},
        SgdUpdate<T>{w, momentum > 0 ? a : nullptr, ema, copy, g, lars ? trust.data() : nullptr,
                     kSegments.data(), v, count, momentum, nesterov});
  });
}

template <class T>
void check_adamw() {
  State expected = textbook([&](double& w, double& m, double& u, double g, const Segment& s,
                                const StepValues& v, double, double, int) {
    double lr = double(v.lr) * double(s.lr_scale), b1 = double(0.9f), b2 = double(0.999f);
    w -= lr * double(s.weight_decay) * w;
    m = b1 * m + (1 - b1) * g, u = b2 * u + (1 - b2) * g * g;
    w -= lr / double(v.bias1) * m / (std::sqrt(u) / std::sqrt(double(v.bias2)) + double(1e-8f));
  });
  compare<T>(expected, [&](T* w, T* m, T* u, T* ema, bf16* copy, const T* g, const StepValues* v) {
    run(Cpu{}, AdamwUpdate<T>{w, m, u, ema, copy, g, kSegments.data(), v, int(kSegments.size()),
                              0.9f, 0.999f, 1e-8f});
  });
}

}  // namespace

TEST_CASE("SGD: plain, momentum, Nesterov") {
  check_sgd<float>(0, false, false);
  check_sgd<double>(0, false, false);
  for (bool nesterov : {false, true}) {
    check_sgd<float>(0.9f, nesterov, false);
    check_sgd<double>(0.9f, nesterov, false);
  }
}

TEST_CASE("LARS: the trust ratio of each segment that adapts") {
  check_sgd<float>(0.9f, false, true);
  check_sgd<double>(0.9f, false, true);
}

TEST_CASE("LARS leaves a segment alone whose weights or gradient are zero") {
  std::vector<float> zero(40), one(40, 1.0f), trust(2);
  std::vector<Segment> segments = {{0, 16, 1, 0.1f, true}, {16, 40, 1, 0, true}};
  StepValues v = step_values(1);
  run(Cpu{}, LarsTrust<float>{trust.data(), zero.data(), one.data(), segments.data(), &v, 2, 0.001f,
                              1e-8f});
  CHECK(trust == std::vector<float>{1, 1});
  run(Cpu{}, LarsTrust<float>{trust.data(), one.data(), zero.data(), segments.data(), &v, 2, 0.001f,
                              1e-8f});
  CHECK(trust == std::vector<float>{1, 1});
}

TEST_CASE("AdamW") {
  check_adamw<float>();
  check_adamw<double>();
}

TEST_CASE("EMA alone") {
  Values ema = random_values(40001, 1), w = random_values(40001, 2);
  StepValues v = step_values(1);
  auto kernel = [&]<class T>(Buffers<T>& b) {
    run(Cpu{}, EmaUpdate<T>{b.update(ema), b.in(w), &v, int64_t(w.size())});
  };
  check_kernel_as<float>("ema", kernel);
}
