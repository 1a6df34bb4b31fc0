#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/optimizer.cpp"
#include <hwy/foreach_target.h>
#include "kernels/packet-inl.h"
#include "kernels/cpu_class.h"
#include "kernels/optimizer.h"
#include "kernels/segment_chunks.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// Writes the new weights, their average and their bf16 copy.
HWY_INLINE void write_weights(float* w, float* ema, bf16* copy, Packet ema_momentum, Packet value,
                              int64_t i, int lanes) {
  store(value, w + i, lanes);
  if (copy) store(value, copy + i, lanes);
  if (ema) {
    Packet rest = Packet(1) - ema_momentum;
    store(fma(ema_momentum, packet(ema + i, lanes), rest * value), ema + i, lanes);
  }
}

inline void body(SgdUpdate<float> p) {
  StepValues step = *p.step;
  for_segment_chunks(
      p.segments, p.segment_count, [&](int s, int64_t, int64_t begin, int64_t end) HWY_ATTR {
        Packet lr(step.lr * p.segments[s].lr_scale), decay(p.segments[s].weight_decay);
        Packet trust(p.trust ? p.trust[s] : 1.0f), momentum(p.momentum);
        Packet scale(step.gradient_scale), m(step.ema_momentum);
        for_packets(begin, end, [&](int64_t i, int lanes) HWY_ATTR {
          Packet w = packet(p.w + i, lanes);
          Packet d = trust * fma(decay, w, scale * packet(p.gradient + i, lanes));
          if (p.velocity) {
            Packet v = fma(momentum, packet(p.velocity + i, lanes), d);
            store(v, p.velocity + i, lanes);
            d = p.nesterov ? fma(momentum, v, d) : v;
          }
          write_weights(p.w, p.ema, p.copy, m, fma(-lr, d, w), i, lanes);
        });
      });
}

inline void body(AdamwUpdate<float> p) {
  StepValues step = *p.step;
  float root = 1 / std::sqrt(step.bias2);
  for_segment_chunks(
      p.segments, p.segment_count, [&](int s, int64_t, int64_t begin, int64_t end) HWY_ATTR {
        float rate = step.lr * p.segments[s].lr_scale;
        Packet keep(1 - rate * p.segments[s].weight_decay), lr(rate / step.bias1);
        Packet beta1(p.beta1), beta2(p.beta2), rest1(1 - p.beta1), rest2(1 - p.beta2);
        Packet inverse_root(root), eps(p.eps), scale(step.gradient_scale), mean(step.ema_momentum);
        for_packets(begin, end, [&](int64_t i, int lanes) HWY_ATTR {
          Packet g = scale * packet(p.gradient + i, lanes);
          Packet m = fma(beta1, packet(p.m + i, lanes), rest1 * g);
          Packet v = fma(beta2, packet(p.v + i, lanes), rest2 * g * g);
          store(m, p.m + i, lanes);
          store(v, p.v + i, lanes);
          Packet d = m / fma(sqrt(v), inverse_root, eps);
          write_weights(p.w, p.ema, p.copy, mean, fma(-lr, d, keep * packet(p.w + i, lanes)), i,
                        lanes);
        });
      });
}

inline void body(EmaUpdate<float> p) {
  Packet m(p.step->ema_momentum), rest = Packet(1) - m;
  parallel_for(p.n, kElementGrain, [&](int64_t begin, int64_t end) HWY_ATTR {
    for_packets(begin, end, [&](int64_t i, int lanes) HWY_ATTR {
      store(fma(m, packet(p.ema + i, lanes), rest * packet(p.w + i, lanes)), p.ema + i, lanes);
    });
  });
}

inline float sum_of_squares(const float* x, int64_t begin, int64_t end) {
  Packet total(0);
  for_packets(begin, end, [&](int64_t i, int lanes) HWY_ATTR {
    Packet v = packet(x + i, lanes);
    total = fma(v, v, total);
  });
  return sum(total);
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

// The average is written with fma so that every class and device gives the same bits.
template <class T>
void write_weights(T* w, T* ema, bf16* copy, T m, T value, int64_t i) {
  w[i] = value;
  if (copy) copy[i] = bf16(float(value));
  if (ema) ema[i] = fma(m, ema[i], (1 - m) * value);
}

template <class T>
void body(SgdUpdate<T> p) {
  StepValues step = *p.step;
  for_segment_chunks(p.segments, p.segment_count, [&](int s, int64_t, int64_t begin, int64_t end) {
    T lr = T(step.lr) * T(p.segments[s].lr_scale), decay = T(p.segments[s].weight_decay);
    T trust = p.trust ? p.trust[s] : T(1), momentum = T(p.momentum);
    for (int64_t i = begin; i < end; ++i) {
      T d = trust * (decay * p.w[i] + T(step.gradient_scale) * p.gradient[i]);
      if (p.velocity) {
        T v = p.velocity[i] = momentum * p.velocity[i] + d;
        d = p.nesterov ? d + momentum * v : v;
      }
      write_weights(p.w, p.ema, p.copy, T(step.ema_momentum), p.w[i] - lr * d, i);
    }
  });
}

template <class T>
void body(AdamwUpdate<T> p) {
  StepValues step = *p.step;
  T beta1 = T(p.beta1), beta2 = T(p.beta2), root = sqrt(T(step.bias2));
  for_segment_chunks(p.segments, p.segment_count, [&](int s, int64_t, int64_t begin, int64_t end) {
    T lr = T(step.lr) * T(p.segments[s].lr_scale), decay = T(p.segments[s].weight_decay);
    for (int64_t i = begin; i < end; ++i) {
      T g = T(step.gradient_scale) * p.gradient[i];
      T m = p.m[i] = beta1 * p.m[i] + (1 - beta1) * g;
      T v = p.v[i] = beta2 * p.v[i] + (1 - beta2) * g * g;
      T d = m / (sqrt(v) / root + T(p.eps));
      write_weights(p.w, p.ema, p.copy, T(step.ema_momentum),
                    (1 - lr * decay) * p.w[i] - lr / T(step.bias1) * d, i);
    }
  });
}

template <class T>
void body(EmaUpdate<T> p) {
  T m = T(p.step->ema_momentum);
  parallel_for(p.n, kElementGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) p.ema[i] = fma(m, p.ema[i], (1 - m) * p.w[i]);
  });
}

template <class T>
T sum_of_squares(const T* x, int64_t begin, int64_t end) {
  T total = 0;
  for (int64_t i = begin; i < end; ++i) total += x[i] * x[i];
  return total;
}

}  // namespace plain

template <class T, class P>
void choose(P p) {
  if constexpr (std::is_same_v<T, double>) plain::body(p);
  else for_cpu_class<void(P)>(plain::body, N_AVX2::body, N_AVX3::body)(p);
}

template <class T>
void run(Cpu, SgdUpdate<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, AdamwUpdate<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, EmaUpdate<T> p) {
  choose<T>(p);
}

// The partial sums are per chunk, and added in double: the norm of a layer of any size is exact to
// about float precision.
template <class T>
void run(Cpu, LarsTrust<T> p) {
  T (*squares)(const T*, int64_t, int64_t) = plain::sum_of_squares<T>;
  if constexpr (std::is_same_v<T, float>)
    squares = for_cpu_class<float(const float*, int64_t, int64_t)>(
        plain::sum_of_squares<float>, N_AVX2::sum_of_squares, N_AVX3::sum_of_squares);
  Scratch<int64_t> first(p.segment_count + 1);
  chunk_table(first.data(), p.segments, p.segment_count);
  Scratch<T> w(first[p.segment_count]), g(first[p.segment_count]);
  for_segment_chunks(p.segments, p.segment_count, first.data(),
                     [&](int, int64_t chunk, int64_t begin, int64_t end) {
                       w[chunk] = squares(p.w, begin, end);
                       g[chunk] = squares(p.gradient, begin, end);
                     });
  for (int s = 0; s < p.segment_count; ++s) {
    double ww = 0, gg = 0;
    for (int64_t c = first[s]; c < first[s + 1]; ++c) ww += double(w[c]), gg += double(g[c]);
    double w_norm = std::sqrt(ww), g_norm = std::sqrt(gg) * double(p.step->gradient_scale);
    double decay = double(p.segments[s].weight_decay);
    bool adapts = p.segments[s].adapt && w_norm > 0 && g_norm > 0;
    p.trust[s] = adapts
                     ? T(double(p.coefficient) * w_norm / (g_norm + decay * w_norm + double(p.eps)))
                     : T(1);
  }
}

template void run(Cpu, SgdUpdate<float>);
template void run(Cpu, SgdUpdate<double>);
template void run(Cpu, AdamwUpdate<float>);
template void run(Cpu, AdamwUpdate<double>);
template void run(Cpu, EmaUpdate<float>);
template void run(Cpu, EmaUpdate<double>);
template void run(Cpu, LarsTrust<float>);
template void run(Cpu, LarsTrust<double>);

}  // namespace autodidact
#endif
