#include "kernels/batchnorm.h"
#include <algorithm>
#include <cmath>
#include "kernels/channels.h"
#include "kernels/parallel.h"

namespace autodidact {
namespace {

// The chunks of a split batch: each split is cut by itself, so no chunk holds rows of two.
struct Chunks {
  int64_t rows, grain, per_split, count;
  Chunks(int64_t all_rows, int splits, int channels)
      : rows(all_rows / splits),
        grain(channel_grain(channels)),
        per_split(chunk_count(rows, grain)),
        count(per_split * splits) {}
  int64_t first(int64_t chunk) const {
    return chunk / per_split * rows + chunk % per_split * grain;
  }
  int64_t size(int64_t chunk) const { return std::min(grain, rows - chunk % per_split * grain); }
};

constexpr int64_t kChannelGrain = 64;

// Chan et al. 1979: the chunks' means and squared deviations make the whole's, in double, since it
// costs nothing here.
template <class A>
void merge_statistics(A* mean, A* m2, const A* chunk_mean, const A* chunk_m2, const Chunks& chunks,
                      int split, int channels, int64_t begin, int64_t end) {
  int64_t first = split * chunks.per_split;
  for (int64_t c = begin; c < end; ++c) {
    double sum = 0, squares = 0;
    for (int64_t k = first; k < first + chunks.per_split; ++k)
      sum += double(chunks.size(k)) * double(chunk_mean[k * channels + c]);
    double m = sum / double(chunks.rows);
    for (int64_t k = first; k < first + chunks.per_split; ++k) {
      double d = double(chunk_mean[k * channels + c]) - m;
      squares += double(chunk_m2[k * channels + c]) + double(chunks.size(k)) * d * d;
    }
    mean[c] = A(m), m2[c] = A(squares);
  }
}

}  // namespace

template <class T>
void run(Cpu, BatchNormForward<T> p) {
  using A = Acc<T>;
  auto& kernels = channel_kernels<T>();
  int C = p.channels;
  Chunks chunks(p.rows, p.splits, C);
  int64_t table = int64_t(p.splits) * C;
  Scratch<A> chunk_mean(chunks.count * C), chunk_m2(chunks.count * C), m2(table);
  Scratch<A> own_mean(p.mean ? 0 : table), own_rstd(p.rstd ? 0 : table);
  A* means = p.mean ? p.mean : own_mean.data();
  A* rstds = p.rstd ? p.rstd : own_rstd.data();
  parallel_for(chunks.count, 1, [&](int64_t k, int64_t) {
    kernels.statistics(&chunk_mean[k * C], &chunk_m2[k * C], p.x + chunks.first(k) * C,
                       chunks.size(k), C);
  });
  parallel_for(C, kChannelGrain, [&](int64_t begin, int64_t end) {
    for (int s = 0; s < p.splits; ++s)
      merge_statistics(means + int64_t(s) * C, &m2[int64_t(s) * C], chunk_mean.data(),
                       chunk_m2.data(), chunks, s, C, begin, end);
    for (int64_t c = begin; c < end; ++c) {
      double mean = 0, var = 0;
      for (int64_t i = c; i < table; i += C) {
        rstds[i] = A(1 / std::sqrt(double(m2[i]) / double(chunks.rows) + double(p.eps)));
        mean += double(means[i]) / p.splits;
        var += double(m2[i]) / double(chunks.rows - 1) / p.splits;
      }
      if (p.running_mean) {
        double m = double(p.momentum);
        p.running_mean[c] = A((1 - m) * double(p.running_mean[c]) + m * mean);
        p.running_var[c] = A((1 - m) * double(p.running_var[c]) + m * var);
      }
    }
  });
  run(Cpu{}, BatchNormApply<T>{p.y, p.x, means, rstds, p.gamma, p.beta, p.residual, p.rows, C,
                               p.splits, p.relu});
}

// y = act(x scale + shift + residual), where x scale + shift = gamma (x - mean) rstd + beta.
template <class T>
void run(Cpu, BatchNormApply<T> p) {
  using A = Acc<T>;
  int C = p.channels;
  Chunks chunks(p.rows, p.splits, C);
  int64_t table = int64_t(p.splits) * C;
  Scratch<A> scale(table), shift(table);
  for (int64_t i = 0; i < table; ++i) {
    int64_t c = i % C;
    scale[i] = p.gamma ? p.gamma[c] * p.rstd[i] : p.rstd[i];
    shift[i] = (p.beta ? p.beta[c] : A(0)) - p.mean[i] * scale[i];
  }
  parallel_for(chunks.count, 1, [&](int64_t k, int64_t) {
    int64_t first = chunks.first(k) * C, split = k / chunks.per_split * C;
    channel_kernels<T>().apply(p.y + first, p.x + first, p.residual ? p.residual + first : nullptr,
                               &scale[split], &shift[split], chunks.size(k), C, p.relu);
  });
}

template <class T>
void run(Cpu, BatchNormInference<T> p) {
  using A = Acc<T>;
  Scratch<A> own_rstd(p.rstd ? 0 : p.channels);
  A* rstd = p.rstd ? p.rstd : own_rstd.data();
  for (int c = 0; c < p.channels; ++c)
    rstd[c] = A(1 / std::sqrt(double(p.running_var[c]) + double(p.eps)));
  run(Cpu{}, BatchNormApply<T>{p.y, p.x, p.running_mean, rstd, p.gamma, p.beta, p.residual, p.rows,
                               p.channels, 1, p.relu});
}

// With xhat = (x - mean) rstd and sums over a split's n rows:
// dx = gamma rstd (dy - sum(dy) / n - xhat sum(dy xhat) / n); dgamma = sum(dy xhat), dbeta = sum dy
// over all splits. Constant statistics: dx = gamma rstd dy.
template <class T>
void run(Cpu, BatchNormBackward<T> p) {
  using A = Acc<T>;
  auto& kernels = channel_kernels<T>();
  int C = p.channels;
  Chunks chunks(p.rows, p.splits, C);
  const T* y = p.relu ? p.y : nullptr;
  int64_t table = int64_t(p.splits) * C;
  Scratch<A> chunk_dy(chunks.count * C), chunk_dy_x(chunks.count * C);
  Scratch<A> a(table), b(table), c0(table);
  bool sums = p.dgamma || p.dbeta || !p.constant_statistics;
  if (sums)
    parallel_for(chunks.count, 1, [&](int64_t k, int64_t) {
      int64_t first = chunks.first(k) * C;
      kernels.gradient_sums(&chunk_dy[k * C], &chunk_dy_x[k * C], p.dy + first, p.x + first,
                            y ? y + first : nullptr, p.mean + k / chunks.per_split * C,
                            chunks.size(k), C);
    });
  parallel_for(C, kChannelGrain, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      double dgamma = 0, dbeta = 0, gamma = p.gamma ? double(p.gamma[c]) : 1.0;
      for (int s = 0; s < p.splits; ++s) {
        int64_t i = int64_t(s) * C + c;
        double dy = 0, dy_x = 0, rstd = double(p.rstd[i]), n = double(chunks.rows);
        for (int64_t k = s * chunks.per_split; sums && k < (s + 1) * chunks.per_split; ++k)
          dy += double(chunk_dy[k * C + c]), dy_x += double(chunk_dy_x[k * C + c]);
        dgamma += dy_x * rstd, dbeta += dy;
        a[i] = A(gamma * rstd);
        b[i] = A(p.constant_statistics ? 0 : -gamma * rstd * rstd * rstd * dy_x / n);
        c0[i] = A(p.constant_statistics ? 0 : -gamma * rstd * dy / n);
      }
      if (p.dgamma) p.dgamma[c] = A(dgamma);
      if (p.dbeta) p.dbeta[c] = A(dbeta);
    }
  });
  if (!p.dx && !(y && p.dresidual)) return;
  parallel_for(chunks.count, 1, [&](int64_t k, int64_t) {
    int64_t first = chunks.first(k) * C, split = k / chunks.per_split * C;
    kernels.gradient(p.dx ? p.dx + first : nullptr, p.dresidual ? p.dresidual + first : nullptr,
                     p.dy + first, p.x + first, y ? y + first : nullptr, &a[split], &b[split],
                     &c0[split], p.mean + split, chunks.size(k), C);
  });
}

template void run(Cpu, BatchNormForward<float>);
template void run(Cpu, BatchNormForward<bf16>);
template void run(Cpu, BatchNormForward<double>);
template void run(Cpu, BatchNormApply<float>);
template void run(Cpu, BatchNormApply<bf16>);
template void run(Cpu, BatchNormApply<double>);
template void run(Cpu, BatchNormInference<float>);
template void run(Cpu, BatchNormInference<bf16>);
template void run(Cpu, BatchNormInference<double>);
template void run(Cpu, BatchNormBackward<float>);
template void run(Cpu, BatchNormBackward<bf16>);
template void run(Cpu, BatchNormBackward<double>);

}  // namespace autodidact
