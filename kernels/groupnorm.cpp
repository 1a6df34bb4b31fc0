#include "kernels/groupnorm.h"
#include <cmath>
#include "kernels/channels.h"
#include "kernels/parallel.h"

namespace autodidact {

// One sample is read twice in a row, the second time from cache; samples go to the threads.
template <class T>
void run(Cpu, GroupNormForward<T> p) {
  using A = Acc<T>;
  auto& kernels = channel_kernels<T>();
  int C = p.channels, width = C / p.groups;
  int64_t size = int64_t(p.pixels) * C;
  parallel_for(p.samples, 1, [&](int64_t n, int64_t) {
    Scratch<A> mean(C), m2(C), scale(C), shift(C);
    kernels.statistics(mean.data(), m2.data(), p.x + n * size, p.pixels, C);
    for (int g = 0; g < p.groups; ++g) {
      // A group's squared deviations: within its channels, and of the channels' means.
      double sum = 0, squares = 0;
      for (int c = g * width; c < (g + 1) * width; ++c) sum += double(mean[c]);
      double m = sum / width;
      for (int c = g * width; c < (g + 1) * width; ++c) {
        double d = double(mean[c]) - m;
        squares += double(m2[c]) + p.pixels * d * d;
      }
      double rstd = 1 / std::sqrt(squares / (double(p.pixels) * width) + double(p.eps));
      if (p.mean) p.mean[n * p.groups + g] = A(m);
      if (p.rstd) p.rstd[n * p.groups + g] = A(rstd);
      for (int c = g * width; c < (g + 1) * width; ++c) {
        scale[c] = A(double(p.gamma[c]) * rstd);
        shift[c] = p.beta[c] - A(m) * scale[c];
      }
    }
    kernels.apply(p.y + n * size, p.x + n * size, p.residual ? p.residual + n * size : nullptr,
                  scale.data(), shift.data(), p.pixels, C, p.relu);
  });
}

// With xhat = (x - mean) rstd and h = gamma dy, means over a group's m elements:
// dx = rstd (h - mean(h) - xhat mean(h xhat)); dgamma = sum(dy xhat), dbeta = sum(dy) over samples
// and pixels.
template <class T>
void run(Cpu, GroupNormBackward<T> p) {
  using A = Acc<T>;
  auto& kernels = channel_kernels<T>();
  int C = p.channels, width = C / p.groups;
  int64_t size = int64_t(p.pixels) * C;
  const T* y = p.relu ? p.y : nullptr;
  // Each sample's part of dbeta and dgamma.
  Scratch<A> part_dbeta(p.samples * int64_t(C)), part_dgamma(p.samples * int64_t(C));
  parallel_for(p.samples, 1, [&](int64_t n, int64_t) {
    Scratch<A> mean(C), a(C), b(C), c0(C);
    A *sum_dy = &part_dbeta[n * C], *sum_dy_x = &part_dgamma[n * C];
    const T *dy = p.dy + n * size, *x = p.x + n * size, *yn = y ? y + n * size : nullptr;
    for (int c = 0; c < C; ++c) mean[c] = p.mean[n * p.groups + c / width];
    kernels.gradient_sums(sum_dy, sum_dy_x, dy, x, yn, mean.data(), p.pixels, C);
    for (int g = 0; g < p.groups; ++g) {
      double rstd = double(p.rstd[n * p.groups + g]), m = double(p.pixels) * width;
      double h = 0, h_x = 0;
      for (int c = g * width; c < (g + 1) * width; ++c) {
        h += double(p.gamma[c]) * double(sum_dy[c]);
        h_x += double(p.gamma[c]) * double(sum_dy_x[c]);
      }
      for (int c = g * width; c < (g + 1) * width; ++c) {
        a[c] = A(double(p.gamma[c]) * rstd);
        b[c] = A(-rstd * rstd * rstd * h_x / m);
        c0[c] = A(-rstd * h / m);
        sum_dy_x[c] = A(double(sum_dy_x[c]) * rstd);
      }
    }
    if (p.dx || (y && p.dresidual))
      kernels.gradient(p.dx ? p.dx + n * size : nullptr,
                       p.dresidual ? p.dresidual + n * size : nullptr, dy, x, yn, a.data(),
                       b.data(), c0.data(), mean.data(), p.pixels, C);
  });
  parallel_for(C, 64, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      double dgamma = 0, dbeta = 0;
      for (int64_t n = 0; n < p.samples; ++n)
        dgamma += double(part_dgamma[n * C + c]), dbeta += double(part_dbeta[n * C + c]);
      if (p.dgamma) p.dgamma[c] = A(dgamma);
      if (p.dbeta) p.dbeta[c] = A(dbeta);
    }
  });
}

template void run(Cpu, GroupNormForward<float>);
template void run(Cpu, GroupNormForward<bf16>);
template void run(Cpu, GroupNormForward<double>);
template void run(Cpu, GroupNormBackward<float>);
template void run(Cpu, GroupNormBackward<bf16>);
template void run(Cpu, GroupNormBackward<double>);

}  // namespace autodidact
