#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layernorm.cpp"
#include <hwy/foreach_target.h>
#include <cmath>
#include "kernels/packet-inl.h"
#include "kernels/channels.h"
#include "kernels/cpu_class.h"
#include "kernels/layernorm.h"
#include "kernels/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// Two passes over a row that the first has brought into cache, then the output.
template <class T>
void forward_rows(LayerNormForward<T> p, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const T* x = p.x + r * p.cols;
    Packet total(0), squares(0);
    for_packets(0, p.cols,
                [&](int64_t c, int lanes) HWY_ATTR { total = total + packet(x + c, lanes); });
    float mean = sum(total) / float(p.cols);
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      Packet d = first(packet(x + c, lanes) - Packet(double(mean)), lanes);
      squares = fma(d, d, squares);
    });
    float rstd = 1 / std::sqrt(sum(squares) / float(p.cols) + p.eps);
    if (p.mean) p.mean[r] = mean;
    if (p.rstd) p.rstd[r] = rstd;
    Packet m(double{mean}), scale(double{rstd});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      Packet xhat = (packet(x + c, lanes) - m) * scale;
      store(fma(packet(p.gamma + c, lanes), xhat, packet(p.beta + c, lanes)), p.y + r * p.cols + c,
            lanes);
    });
  }
}

// Rows [begin, end); dgamma and dbeta: their sums over these rows.
template <class T>
void backward_rows(LayerNormBackward<T> p, float* dgamma, float* dbeta, int64_t begin,
                   int64_t end) {
  for (int c = 0; c < p.cols; ++c) dgamma[c] = dbeta[c] = 0;
  for (int64_t r = begin; r < end; ++r) {
    const T *x = p.x + r * p.cols, *dy = p.dy + r * p.cols;
    Packet mean(double{p.mean[r]}), rstd(double{p.rstd[r]}), sum_h(0), sum_h_xhat(0);
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      Packet g = packet(dy + c, lanes), xhat = (packet(x + c, lanes) - mean) * rstd;
      Packet h = packet(p.gamma + c, lanes) * g;
      sum_h = sum_h + h;
      sum_h_xhat = fma(h, xhat, sum_h_xhat);
      store(fma(g, xhat, packet(dgamma + c, lanes)), dgamma + c, lanes);
      store(packet(dbeta + c, lanes) + g, dbeta + c, lanes);
    });
    if (!p.dx) continue;
    Packet mean_h(double{sum(sum_h) / float(p.cols)});
    Packet mean_h_xhat(double{sum(sum_h_xhat) / float(p.cols)});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      Packet h = packet(p.gamma + c, lanes) * packet(dy + c, lanes);
      Packet xhat = (packet(x + c, lanes) - mean) * rstd;
      store(rstd * (h - mean_h - xhat * mean_h_xhat), p.dx + r * p.cols + c, lanes);
    });
  }
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class T>
void forward_rows(LayerNormForward<T> p, int64_t begin, int64_t end) {
  using A = Acc<T>;
  for (int64_t r = begin; r < end; ++r) {
    const T* x = p.x + r * p.cols;
    A mean = 0, var = 0;
    for (int c = 0; c < p.cols; ++c) mean += A(x[c]);
    mean /= A(p.cols);
    for (int c = 0; c < p.cols; ++c) var += (A(x[c]) - mean) * (A(x[c]) - mean);
    A rstd = 1 / sqrt(var / A(p.cols) + A(p.eps));
    if (p.mean) p.mean[r] = mean;
    if (p.rstd) p.rstd[r] = rstd;
    for (int c = 0; c < p.cols; ++c)
      p.y[r * p.cols + c] = T(p.gamma[c] * ((A(x[c]) - mean) * rstd) + p.beta[c]);
  }
}

template <class T>
void backward_rows(LayerNormBackward<T> p, Acc<T>* dgamma, Acc<T>* dbeta, int64_t begin,
                   int64_t end) {
  using A = Acc<T>;
  for (int c = 0; c < p.cols; ++c) dgamma[c] = dbeta[c] = 0;
  for (int64_t r = begin; r < end; ++r) {
    const T *x = p.x + r * p.cols, *dy = p.dy + r * p.cols;
    A mean_h = 0, mean_h_xhat = 0;
    for (int c = 0; c < p.cols; ++c) {
      A g = A(dy[c]), xhat = (A(x[c]) - p.mean[r]) * p.rstd[r];
      mean_h += p.gamma[c] * g / A(p.cols);
      mean_h_xhat += p.gamma[c] * g * xhat / A(p.cols);
      dgamma[c] += g * xhat;
      dbeta[c] += g;
    }
    for (int c = 0; p.dx && c < p.cols; ++c) {
      A xhat = (A(x[c]) - p.mean[r]) * p.rstd[r];
      p.dx[r * p.cols + c] = T(p.rstd[r] * (p.gamma[c] * A(dy[c]) - mean_h - xhat * mean_h_xhat));
    }
  }
}

}  // namespace plain

template <class T>
void run(Cpu, LayerNormForward<T> p) {
  void (*rows)(LayerNormForward<T>, int64_t, int64_t) = plain::forward_rows<T>;
  if constexpr (!std::is_same_v<T, double>)
    rows = for_cpu_class<void(LayerNormForward<T>, int64_t, int64_t)>(
        plain::forward_rows<T>, N_AVX2::forward_rows<T>, N_AVX3::forward_rows<T>);
  parallel_for(p.rows, channel_grain(p.cols),
               [&](int64_t begin, int64_t end) { rows(p, begin, end); });
}

template <class T>
void run(Cpu, LayerNormBackward<T> p) {
  using A = Acc<T>;
  using Rows = void(LayerNormBackward<T>, A*, A*, int64_t, int64_t);
  Rows* rows = plain::backward_rows<T>;
  if constexpr (!std::is_same_v<T, double>)
    rows = for_cpu_class<Rows>(plain::backward_rows<T>, N_AVX2::backward_rows<T>,
                               N_AVX3::backward_rows<T>);
  int64_t grain = channel_grain(p.cols), chunks = chunk_count(p.rows, grain), C = p.cols;
  Scratch<A> dgamma(chunks * C), dbeta(chunks * C);
  for_chunks(p.rows, grain, [&](int64_t k, int64_t begin, int64_t end) {
    rows(p, &dgamma[k * C], &dbeta[k * C], begin, end);
  });
  parallel_for(C, 64, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      double gamma = 0, beta = 0;
      for (int64_t k = 0; k < chunks; ++k)
        gamma += double(dgamma[k * C + c]), beta += double(dbeta[k * C + c]);
      if (p.dgamma) p.dgamma[c] = A(gamma);
      if (p.dbeta) p.dbeta[c] = A(beta);
    }
  });
}

template void run(Cpu, LayerNormForward<float>);
template void run(Cpu, LayerNormForward<bf16>);
template void run(Cpu, LayerNormForward<double>);
template void run(Cpu, LayerNormBackward<float>);
template void run(Cpu, LayerNormBackward<bf16>);
template void run(Cpu, LayerNormBackward<double>);

}  // namespace autodidact
#endif
