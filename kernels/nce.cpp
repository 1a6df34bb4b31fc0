// Noise-contrastive estimation on the CPU: a sample is one chunk of work.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/nce.cpp"
#include <hwy/foreach_target.h>
#include <algorithm>
#include <cmath>
#include "kernels/packet-inl.h"
#include "kernels/cpu_class.h"
#include "kernels/nce.h"
#include "kernels/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// y += w x
template <class T>
void add(float* y, float w, const T* x, int n) {
  const Packet by(double{w});
  for_packets(0, n, [&](int64_t c, int lanes) HWY_ATTR {
    store(fma(by, packet(x + c, lanes), packet(y + c, lanes)), y + c, lanes);
  });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace {

template <class T>
void plain_add(Acc<T>* y, Acc<T> w, const T* x, int n) {
  for (int c = 0; c < n; ++c) y[c] += w * Acc<T>(x[c]);
}

// log(1 + e^x)
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

// The logit of each row is a sum over the dimension, by the CPU class; what is done with it once a
// row is in double.
template <class T>
void run(Cpu, Nce<T> p) {
  using A = Acc<T>;
  A (*dot)(const T*, const T*, int) = plain::dot<T>;
  void (*add)(A*, A, const T*, int) = plain_add<T>;
  if constexpr (!std::is_same_v<T, double>) {
    dot = for_cpu_class<A(const T*, const T*, int)>(plain::dot<T>, N_AVX2::dot<T>, N_AVX3::dot<T>);
    add = for_cpu_class<void(A*, A, const T*, int)>(plain_add<T>, N_AVX2::add<T>, N_AVX3::add<T>);
  }
  const int D = p.dim;
  Scratch<double> loss(p.batch), exponentials(p.batch);
  parallel_for(p.batch, 1, [&](int64_t row, int64_t) {
    const T* v = p.v + row * D;
    A* dv = p.dv ? p.dv + row * D : nullptr;
    const double weight = 1 / (double(p.temperature) * p.batch);
    auto logit = [&](int64_t j) {
      return double(dot(v, p.bank + j * D, D)) / double(p.temperature);
    };
    const double own = logit(p.own[row]), x = own - double(p.shift);
    double total = softplus(-x), sum = std::exp(own);
    int32_t rank = 0;
    if (dv) {
      std::fill_n(dv, D, A(0));
      add(dv, A(-sigmoid(-x) * weight), p.bank + p.own[row] * D, D);
    }
    for (int i = 0; i < p.negatives; ++i) {
      const int64_t j = p.noise[row * p.negatives + i];
      const double l = logit(j);
      total += softplus(l - double(p.shift)), sum += std::exp(l);
      rank += l > own;
      if (dv) add(dv, A(sigmoid(l - double(p.shift)) * weight), p.bank + j * D, D);
    }
    loss[row] = total, exponentials[row] = sum;
    if (p.rank) p.rank[row] = rank;
  });
  double total = 0, sum = 0;
  for (int row = 0; row < p.batch; ++row) total += loss[row], sum += exponentials[row];
  if (p.loss) *p.loss = A(total / p.batch);
  if (p.log_mean) *p.log_mean = A(std::log(sum / (double(p.batch) * (p.negatives + 1))));
}

template void run(Cpu, Nce<float>);
template void run(Cpu, Nce<bf16>);
template void run(Cpu, Nce<double>);

}  // namespace autodidact
#endif
