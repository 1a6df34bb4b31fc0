// Pooling: a chunk of work is a row of output pixels forward, of input pixels backward, where each
// pixel gathers from the windows that hold it. Packet bodies, plain bodies, the choice, and the
// gradient of the maximum.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool.cpp"
#include <hwy/foreach_target.h>
#include "kernels/packet-inl.h"
#include <algorithm>
#include <cmath>
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/pool.h"

#ifndef AUTODIDACT_POOL_WINDOW
#define AUTODIDACT_POOL_WINDOW
namespace autodidact {

// The part of an output's window that lies inside the image: rows [top, bottom), columns [left,
// right).
struct Window {
  int top, bottom, left, right;
};
inline Window window(const PoolShape& s, int oh, int ow) {
  int top = oh * s.stride - s.pad, left = ow * s.stride - s.pad;
  return {std::max(top, 0), std::min(top + s.kernel, s.height), std::max(left, 0),
          std::min(left + s.kernel, s.width)};
}
// The outputs along one axis whose windows hold position i: [first, last).
struct Span {
  int first, last;
};
inline Span outputs_of(int i, int kernel, int stride, int pad, int outputs) {
  int lowest = i + pad - kernel + 1;
  return {lowest <= 0 ? 0 : (lowest + stride - 1) / stride,
          std::min((i + pad) / stride + 1, outputs)};
}

}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// One chunk is one row of pixels of one sample. Gradients are gathered per input pixel: nothing is
// written twice.
// Positions are counted in floats, which hold all 256 of them.
template <class T>
void body(MaxPoolForward<T> p) {
  const PoolShape s = p.shape;
  int out_h = s.out_height(), out_w = s.out_width();
  parallel_for(int64_t(s.samples) * out_h, 1, [=](int64_t row, int64_t) HWY_ATTR {
    int64_t n = row / out_h;
    int oh = int(row % out_h);
    for (int ow = 0; ow < out_w; ++ow) {
      Window w = window(s, oh, ow);
      auto position = [&](int h, int x) HWY_ATTR {
        return Packet(double((h - oh * s.stride + s.pad) * s.kernel + x - ow * s.stride + s.pad));
      };
      for_packets(0, s.channels, [&](int64_t c, int lanes) HWY_ATTR {
        auto pixel = [&](int h, int x) HWY_ATTR {
          return packet(p.x + ((n * s.height + h) * s.width + x) * s.channels + c, lanes);
        };
        Packet best = pixel(w.top, w.left), from = position(w.top, w.left);
        for (int h = w.top; h < w.bottom; ++h)
          for (int x = w.left; x < w.right; ++x) {
            const Packet value = pixel(h, x);
            // Not "greater": NaN is above every number, but not above another NaN.
            const Mask above =
                hn::And(hn::Not(hn::Le(value.v, best.v)), hn::Not(hn::IsNaN(best.v)));
            best = select(above, value, best);
            from = select(above, position(h, x), from);
          }
        const int64_t out = (row * out_w + ow) * s.channels + c;
        store(best, p.y + out, lanes);
        if (!p.from) return;
        HWY_ALIGN float positions[kLanes];
        store(from, positions);
        for (int i = 0; i < lanes; ++i) p.from[out + i] = uint8_t(positions[i]);
      });
    }
  });
}

template <class T>
void body(AvgPoolForward<T> p) {
  const PoolShape s = p.shape;
  int out_h = s.out_height(), out_w = s.out_width();
  Packet scale(1.0 / (s.kernel * s.kernel));
  parallel_for(int64_t(s.samples) * out_h, 1, [=](int64_t row, int64_t) HWY_ATTR {
    int64_t n = row / out_h;
    for (int ow = 0; ow < out_w; ++ow) {
      Window w = window(s, int(row % out_h), ow);
      for_packets(0, s.channels, [&](int64_t c, int lanes) HWY_ATTR {
        Packet total(0.0);
        for (int h = w.top; h < w.bottom; ++h)
          for (int x = w.left; x < w.right; ++x)
            total =
                total + packet(p.x + ((n * s.height + h) * s.width + x) * s.channels + c, lanes);
        store(total * scale, p.y + (row * out_w + ow) * s.channels + c, lanes);
      });
    }
  });
}

template <class T>
void body(AvgPoolBackward<T> p) {
  const PoolShape s = p.shape;
  int out_h = s.out_height(), out_w = s.out_width();
  Packet scale(1.0 / (s.kernel * s.kernel));
  parallel_for(int64_t(s.samples) * s.height, 1, [=](int64_t row, int64_t) HWY_ATTR {
    int64_t n = row / s.height;
    Span rows = outputs_of(int(row % s.height), s.kernel, s.stride, s.pad, out_h);
    for (int x = 0; x < s.width; ++x) {
      Span cols = outputs_of(x, s.kernel, s.stride, s.pad, out_w);
      for_packets(0, s.channels, [&](int64_t c, int lanes) HWY_ATTR {
        Packet total(0.0);
        for (int oh = rows.first; oh < rows.last; ++oh)
          for (int ow = cols.first; ow < cols.last; ++ow)
            total = total + packet(p.dy + ((n * out_h + oh) * out_w + ow) * s.channels + c, lanes);
        store(total * scale, p.dx + (row * s.width + x) * s.channels + c, lanes);
      });
    }
  });
}

template <class T>
void body(GlobalAvgPoolForward<T> p) {
  parallel_for(p.samples, 1, [=](int64_t n, int64_t) HWY_ATTR {
    for_packets(0, p.channels, [&](int64_t c, int lanes) HWY_ATTR {
      Packet total(0.0);
      for (int i = 0; i < p.pixels; ++i)
        total = total + packet(p.x + (n * p.pixels + i) * p.channels + c, lanes);
      store(total / Packet(double(p.pixels)), p.y + n * p.channels + c, lanes);
    });
  });
}

template <class T>
void body(GlobalAvgPoolBackward<T> p) {
  parallel_for(p.samples, 1, [=](int64_t n, int64_t) HWY_ATTR {
    for_packets(0, p.channels, [&](int64_t c, int lanes) HWY_ATTR {
      Packet d = packet(p.dy + n * p.channels + c, lanes) / Packet(double(p.pixels));
      for (int i = 0; i < p.pixels; ++i)
        store(d, p.dx + (n * p.pixels + i) * p.channels + c, lanes);
    });
  });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class T>
void body(AvgPoolForward<T> p) {
  using A = Acc<T>;
  const PoolShape s = p.shape;
  int out_h = s.out_height(), out_w = s.out_width();
  parallel_for(int64_t(s.samples) * out_h, 1, [=](int64_t row, int64_t) {
    int64_t n = row / out_h;
    for (int ow = 0; ow < out_w; ++ow) {
      Window w = window(s, int(row % out_h), ow);
      for (int c = 0; c < s.channels; ++c) {
        A total = 0;
        for (int h = w.top; h < w.bottom; ++h)
          for (int x = w.left; x < w.right; ++x)
            total += A(p.x[((n * s.height + h) * s.width + x) * s.channels + c]);
        p.y[(row * out_w + ow) * s.channels + c] = T(total / A(s.kernel * s.kernel));
      }
    }
  });
}

template <class T>
void body(AvgPoolBackward<T> p) {
  using A = Acc<T>;
  const PoolShape s = p.shape;
  int out_h = s.out_height(), out_w = s.out_width();
  parallel_for(int64_t(s.samples) * s.height, 1, [=](int64_t row, int64_t) {
    int64_t n = row / s.height;
    Span rows = outputs_of(int(row % s.height), s.kernel, s.stride, s.pad, out_h);
    for (int x = 0; x < s.width; ++x) {
      Span cols = outputs_of(x, s.kernel, s.stride, s.pad, out_w);
      for (int c = 0; c < s.channels; ++c) {
        A total = 0;
        for (int oh = rows.first; oh < rows.last; ++oh)
          for (int ow = cols.first; ow < cols.last; ++ow)
            total += A(p.dy[((n * out_h + oh) * out_w + ow) * s.channels + c]);
        p.dx[(row * s.width + x) * s.channels + c] = T(total / A(s.kernel * s.kernel));
      }
    }
  });
}

template <class T>
void body(GlobalAvgPoolForward<T> p) {
  parallel_for(p.samples, 1, [=](int64_t n, int64_t) {
    for (int c = 0; c < p.channels; ++c) {
      Acc<T> total = 0;
      for (int i = 0; i < p.pixels; ++i) total += Acc<T>(p.x[(n * p.pixels + i) * p.channels + c]);
      p.y[n * p.channels + c] = T(total / Acc<T>(p.pixels));
    }
  });
}

template <class T>
void body(GlobalAvgPoolBackward<T> p) {
  parallel_for(p.samples, 1, [=](int64_t n, int64_t) {
    for (int i = 0; i < p.pixels; ++i)
      for (int c = 0; c < p.channels; ++c)
        p.dx[(n * p.pixels + i) * p.channels + c] =
            T(Acc<T>(p.dy[n * p.channels + c]) / Acc<T>(p.pixels));
  });
}

template <class T>
void body(MaxPoolForward<T> p) {
  const PoolShape s = p.shape;
  int out_h = s.out_height(), out_w = s.out_width();
  parallel_for(int64_t(s.samples) * out_h, 1, [=](int64_t row, int64_t) {
    int64_t n = row / out_h;
    int oh = int(row % out_h);
    for (int ow = 0; ow < out_w; ++ow) {
      Window w = window(s, oh, ow);
      int64_t out = (row * out_w + ow) * s.channels;
      for (int h = w.top; h < w.bottom; ++h)
        for (int x = w.left; x < w.right; ++x) {
          const T* in = p.x + ((n * s.height + h) * s.width + x) * s.channels;
          auto position =
              uint8_t((h - oh * s.stride + s.pad) * s.kernel + x - ow * s.stride + s.pad);
          bool first = h == w.top && x == w.left;
          for (int c = 0; c < s.channels; ++c) {
            Acc<T> value = Acc<T>(in[c]), best = Acc<T>(p.y[out + c]);
            if (first || value > best || (std::isnan(value) && !std::isnan(best))) {
              p.y[out + c] = in[c];
              if (p.from) p.from[out + c] = position;
            }
          }
        }
    }
  });
}

}  // namespace plain

template <class T, class P>
void choose(P p) {
  if constexpr (std::is_same_v<T, double>) plain::body(p);
  else for_cpu_class<void(P)>(plain::body, N_AVX2::body, N_AVX3::body)(p);
}

template <class T>
void run(Cpu, AvgPoolForward<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, AvgPoolBackward<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, GlobalAvgPoolForward<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, GlobalAvgPoolBackward<T> p) {
  choose<T>(p);
}

template <class T>
void run(Cpu, MaxPoolForward<T> p) {
  choose<T>(p);
}

// Nothing to round, so one body serves every class and type.
template <class T>
void run(Cpu, MaxPoolBackward<T> p) {
  using A = Acc<T>;
  const PoolShape s = p.shape;
  int out_h = s.out_height(), out_w = s.out_width();
  parallel_for(int64_t(s.samples) * s.height, 1, [=](int64_t row, int64_t) {
    int64_t n = row / s.height;
    int h = int(row % s.height);
    Span rows = outputs_of(h, s.kernel, s.stride, s.pad, out_h);
    Scratch<A> total(s.channels);
    for (int x = 0; x < s.width; ++x) {
      Span cols = outputs_of(x, s.kernel, s.stride, s.pad, out_w);
      std::fill_n(total.data(), s.channels, A(0));
      for (int oh = rows.first; oh < rows.last; ++oh)
        for (int ow = cols.first; ow < cols.last; ++ow) {
          int64_t out = ((n * out_h + oh) * out_w + ow) * s.channels;
          auto position =
              uint8_t((h - oh * s.stride + s.pad) * s.kernel + x - ow * s.stride + s.pad);
          for (int c = 0; c < s.channels; ++c)
            total[c] += p.from[out + c] == position ? A(p.dy[out + c]) : A(0);
        }
      for (int c = 0; c < s.channels; ++c) p.dx[(row * s.width + x) * s.channels + c] = T(total[c]);
    }
  });
}

#define INSTANCES(T)                               \
  template void run(Cpu, MaxPoolForward<T>);       \
  template void run(Cpu, MaxPoolBackward<T>);      \
  template void run(Cpu, AvgPoolForward<T>);       \
  template void run(Cpu, AvgPoolBackward<T>);      \
  template void run(Cpu, GlobalAvgPoolForward<T>); \
  template void run(Cpu, GlobalAvgPoolBackward<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
#endif
