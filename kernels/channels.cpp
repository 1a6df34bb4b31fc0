// The loops behind batch and group normalisation, see channels.h: four kernels over rows of
// channels, as packets (rows of few channels are read several at a time) and plain.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/channels.cpp"
#include <hwy/foreach_target.h>
#include "kernels/packet-inl.h"
#include "kernels/channels.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// Rows of few channels, or of an odd number, are read as fewer rows of `repeats` times as many:
// whole packets, and enough of them that the loop over a row pays. 1 where there is nothing to
// gain.
inline int64_t row_repeats(int64_t rows, int channels) {
  int64_t repeats = 1;
  while (channels * repeats % kLanes != 0 || channels * repeats < 64) repeats *= 2;
  return repeats * 4 <= rows ? repeats : 1;
}

// table[c], again and again.
struct Repeated : Scratch<float> {
  Repeated(const float* table, int channels, int64_t repeats) : Scratch(channels * repeats) {
    for (int64_t i = 0; i < channels * repeats; ++i) data()[i] = table[i % channels];
  }
};

// Zeros to sum into; add_to gives each channel its sums.
struct WideSums : Scratch<float> {
  WideSums(int channels, int64_t repeats) : Scratch(channels * repeats) {
    for (int64_t i = 0; i < channels * repeats; ++i) data()[i] = 0;
  }
  void add_to(float* sums, int channels, int64_t repeats) const {
    for (int64_t k = 0; k < repeats; ++k)
      for (int c = 0; c < channels; ++c) sums[c] += data()[k * channels + c];
  }
};

// Four rows at a time: a channel's running sums are then read and written once for four loads of x,
// and memory is still walked in order.
constexpr int kRows = 4;

// sum[c] += sum over the rows of x - shift[c]; squares[c] += sum of its square, unless null.
template <bool kSquares, class T>
void shifted_sums(float* sum, float* squares, const float* shift, const T* x, int64_t rows,
                  int channels) {
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows)
    for_packets(0, channels, [&](int64_t c, int lanes) HWY_ATTR {
      Packet s = packet(shift + c, lanes), d[kRows];
      for (int k = 0; k < kRows; ++k) d[k] = packet(x + (r + k) * channels + c, lanes) - s;
      store(packet(sum + c, lanes) + ((d[0] + d[1]) + (d[2] + d[3])), sum + c, lanes);
      if constexpr (kSquares) {
        Packet q = fma(d[1], d[1], d[0] * d[0]) + fma(d[3], d[3], d[2] * d[2]);
        store(packet(squares + c, lanes) + q, squares + c, lanes);
      }
    });
  for (; r < rows; ++r)
    for_packets(0, channels, [&](int64_t c, int lanes) HWY_ATTR {
      Packet d = packet(x + r * channels + c, lanes) - packet(shift + c, lanes);
      store(packet(sum + c, lanes) + d, sum + c, lanes);
      if constexpr (kSquares) store(fma(d, d, packet(squares + c, lanes)), squares + c, lanes);
    });
}

// One pass: sums of d = x - shift and of d^2, the shift being the mean of a few rows. So near the
// mean, m2 = sum d^2 - (sum d)^2 / n loses no digits. The rows are spread: an image's first ones
// may be its border, alike and far from the rest.
constexpr int64_t kShiftRows = 16;

template <class T>
void statistics(float* mean, float* m2, const T* x, int64_t rows, int channels) {
  Scratch<float> shift(channels), first(channels);
  int64_t few = rows < kShiftRows ? rows : kShiftRows;
  for (int c = 0; c < channels; ++c) first[c] = float(x[c]), shift[c] = mean[c] = m2[c] = 0;
  for (int64_t k = 0; k < few; ++k)
    shifted_sums<false>(shift.data(), nullptr, first.data(),
                        x + (2 * k + 1) * rows / (2 * few) * channels, 1, channels);
  for (int c = 0; c < channels; ++c) shift[c] = first[c] + shift[c] / float(few);
  int64_t repeats = row_repeats(rows, channels), wide = rows / repeats * repeats;
  if (repeats > 1) {
    Repeated wide_shift(shift.data(), channels, repeats);
    WideSums sums(channels, repeats), squares(channels, repeats);
    shifted_sums<true>(sums.data(), squares.data(), wide_shift.data(), x, wide / repeats,
                       int(channels * repeats));
    sums.add_to(mean, channels, repeats);
    squares.add_to(m2, channels, repeats);
    shifted_sums<true>(mean, m2, shift.data(), x + wide * channels, rows - wide, channels);
  } else {
    shifted_sums<true>(mean, m2, shift.data(), x, rows, channels);
  }
  for (int c = 0; c < channels; ++c) {
    float d = mean[c] / float(rows), squares = m2[c] - mean[c] * d;
    mean[c] = shift[c] + d, m2[c] = squares < 0 ? 0 : squares;  // NaN stays
  }
}

template <bool kRelu, bool kResidual, class T>
void apply_as(T* y, const T* x, const T* residual, const float* scale, const float* shift,
              int64_t rows, int channels) {
  for (int64_t r = 0; r < rows; ++r)
    for_packets(0, channels, [&](int64_t c, int lanes) HWY_ATTR {
      int64_t i = r * channels + c;
      Packet v = fma(packet(x + i, lanes), packet(scale + c, lanes), packet(shift + c, lanes));
      if constexpr (kResidual) v = v + packet(residual + i, lanes);
      if constexpr (kRelu) v = Relu::f(v);
      store(v, y + i, lanes);
    });
}

template <class T>
void apply(T* y, const T* x, const T* residual, const float* scale, const float* shift,
           int64_t rows, int channels, bool relu) {
  auto body = relu       ? residual ? apply_as<true, true, T> : apply_as<true, false, T>
                    : residual ? apply_as<false, true, T>
                         : apply_as<false, false, T>;
  int64_t repeats = row_repeats(rows, channels), done = 0;
  if (repeats > 1) {
    Repeated wide_scale(scale, channels, repeats), wide_shift(shift, channels, repeats);
    body(y, x, residual, wide_scale.data(), wide_shift.data(), rows / repeats,
         int(channels * repeats));
    done = rows / repeats * repeats;
  }
  int64_t i = done * channels;
  body(y + i, x + i, residual ? residual + i : nullptr, scale, shift, rows - done, channels);
}

// dy, or dy where y is above zero.
template <bool kRelu, class T>
HWY_INLINE Packet gated(const T* dy, const T* y, int64_t i, int lanes) {
  Packet g = packet(dy + i, lanes);
  if constexpr (kRelu) g = select(packet(y + i, lanes) > Packet(0), g, Packet(0));
  return g;
}

// Adds to the sums.
template <bool kRelu, class T>
void gradient_sums_as(float* sum_dy, float* sum_dy_x, const T* dy, const T* x, const T* y,
                      const float* mean, int64_t rows, int channels) {
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows)
    for_packets(0, channels, [&](int64_t c, int lanes) HWY_ATTR {
      Packet m = packet(mean + c, lanes), g[kRows], d[kRows];
      for (int k = 0; k < kRows; ++k) {
        int64_t i = (r + k) * channels + c;
        g[k] = gated<kRelu>(dy, y, i, lanes);
        d[k] = packet(x + i, lanes) - m;
      }
      Packet products = fma(g[1], d[1], g[0] * d[0]) + fma(g[3], d[3], g[2] * d[2]);
      store(packet(sum_dy + c, lanes) + ((g[0] + g[1]) + (g[2] + g[3])), sum_dy + c, lanes);
      store(packet(sum_dy_x + c, lanes) + products, sum_dy_x + c, lanes);
    });
  for (; r < rows; ++r)
    for_packets(0, channels, [&](int64_t c, int lanes) HWY_ATTR {
      int64_t i = r * channels + c;
      Packet g = gated<kRelu>(dy, y, i, lanes);
      Packet d = packet(x + i, lanes) - packet(mean + c, lanes);
      store(packet(sum_dy + c, lanes) + g, sum_dy + c, lanes);
      store(fma(g, d, packet(sum_dy_x + c, lanes)), sum_dy_x + c, lanes);
    });
}

template <class T>
void gradient_sums(float* sum_dy, float* sum_dy_x, const T* dy, const T* x, const T* y,
                   const float* mean, int64_t rows, int channels) {
  auto body = y ? gradient_sums_as<true, T> : gradient_sums_as<false, T>;
  int64_t repeats = row_repeats(rows, channels), done = 0;
  for (int c = 0; c < channels; ++c) sum_dy[c] = sum_dy_x[c] = 0;
  if (repeats > 1) {
    Repeated wide_mean(mean, channels, repeats);
    WideSums sums(channels, repeats), products(channels, repeats);
    body(sums.data(), products.data(), dy, x, y, wide_mean.data(), rows / repeats,
         int(channels * repeats));
    sums.add_to(sum_dy, channels, repeats);
    products.add_to(sum_dy_x, channels, repeats);
    done = rows / repeats * repeats;
  }
  int64_t i = done * channels;
  body(sum_dy, sum_dy_x, dy + i, x + i, y ? y + i : nullptr, mean, rows - done, channels);
}

template <bool kRelu, bool kResidual, class T>
void gradient_as(T* dx, T* dresidual, const T* dy, const T* x, const T* y, const float* a,
                 const float* b, const float* c, const float* mean, int64_t rows, int channels) {
  for (int64_t r = 0; r < rows; ++r)
    for_packets(0, channels, [&](int64_t k, int lanes) HWY_ATTR {
      int64_t i = r * channels + k;
      Packet g = gated<kRelu>(dy, y, i, lanes);
      Packet d = packet(x + i, lanes) - packet(mean + k, lanes);
      Packet v = fma(packet(b + k, lanes), d, packet(c + k, lanes));
      if (dx) store(fma(packet(a + k, lanes), g, v), dx + i, lanes);
      if constexpr (kResidual) store(g, dresidual + i, lanes);
    });
}

template <class T>
void gradient(T* dx, T* dresidual, const T* dy, const T* x, const T* y, const float* a,
              const float* b, const float* c, const float* mean, int64_t rows, int channels) {
  auto body = !y          ? gradient_as<false, false, T>
              : dresidual ? gradient_as<true, true, T>
                          : gradient_as<true, false, T>;
  int64_t repeats = row_repeats(rows, channels), done = 0;
  if (repeats > 1) {
    Repeated wide_a(a, channels, repeats), wide_b(b, channels, repeats);
    Repeated wide_c(c, channels, repeats), wide_mean(mean, channels, repeats);
    body(dx, dresidual, dy, x, y, wide_a.data(), wide_b.data(), wide_c.data(), wide_mean.data(),
         rows / repeats, int(channels * repeats));
    done = rows / repeats * repeats;
  }
  int64_t i = done * channels;
  body(dx ? dx + i : nullptr, dresidual ? dresidual + i : nullptr, dy + i, x + i,
       y ? y + i : nullptr, a, b, c, mean, rows - done, channels);
}

template <class T>
const ChannelKernels<T>* kernels() {
  static constexpr ChannelKernels<T> table{statistics<T>, apply<T>, gradient_sums<T>, gradient<T>};
  return &table;
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class T, class A = Acc<T>>
void statistics(A* mean, A* m2, const T* x, int64_t rows, int channels) {
  for (int c = 0; c < channels; ++c) mean[c] = m2[c] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < channels; ++c) mean[c] += A(x[r * channels + c]);
  for (int c = 0; c < channels; ++c) mean[c] /= A(rows);
  for (int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < channels; ++c) {
      A d = A(x[r * channels + c]) - mean[c];
      m2[c] += d * d;
    }
}

template <class T, class A = Acc<T>>
void apply(T* y, const T* x, const T* residual, const A* scale, const A* shift, int64_t rows,
           int channels, bool relu) {
  for (int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < channels; ++c) {
      int64_t i = r * channels + c;
      A v = A(x[i]) * scale[c] + shift[c];
      if (residual) v += A(residual[i]);
      y[i] = T(relu ? Relu::f(v) : v);
    }
}

template <class T, class A = Acc<T>>
void gradient_sums(A* sum_dy, A* sum_dy_x, const T* dy, const T* x, const T* y, const A* mean,
                   int64_t rows, int channels) {
  for (int c = 0; c < channels; ++c) sum_dy[c] = sum_dy_x[c] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < channels; ++c) {
      int64_t i = r * channels + c;
      A g = y && !(A(y[i]) > 0) ? A(0) : A(dy[i]);
      sum_dy[c] += g;
      sum_dy_x[c] += g * (A(x[i]) - mean[c]);
    }
}

template <class T, class A = Acc<T>>
void gradient(T* dx, T* dresidual, const T* dy, const T* x, const T* y, const A* a, const A* b,
              const A* c, const A* mean, int64_t rows, int channels) {
  for (int64_t r = 0; r < rows; ++r)
    for (int k = 0; k < channels; ++k) {
      int64_t i = r * channels + k;
      A g = y && !(A(y[i]) > 0) ? A(0) : A(dy[i]);
      if (dx) dx[i] = T(a[k] * g + b[k] * (A(x[i]) - mean[k]) + c[k]);
      if (y && dresidual) dresidual[i] = T(g);
    }
}

template <class T>
const ChannelKernels<T>* kernels() {
  static constexpr ChannelKernels<T> table{statistics<T>, apply<T>, gradient_sums<T>, gradient<T>};
  return &table;
}

}  // namespace plain

template <>
const ChannelKernels<double>& channel_kernels<double>() {
  return *plain::kernels<double>();
}
template <>
const ChannelKernels<float>& channel_kernels<float>() {
  return *for_cpu_class<const ChannelKernels<float>*()>(
      plain::kernels<float>, N_AVX2::kernels<float>, N_AVX3::kernels<float>)();
}
template <>
const ChannelKernels<bf16>& channel_kernels<bf16>() {
  return *for_cpu_class<const ChannelKernels<bf16>*()>(plain::kernels<bf16>, N_AVX2::kernels<bf16>,
                                                       N_AVX3::kernels<bf16>)();
}

}  // namespace autodidact
#endif
