// Max pooling, cut as pool.cpp: forward keeps the place of each window's maximum, the first of
// equal ones, a NaN above all; backward an input gathers from the windows whose maximum it is.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/max_pool.cpp"
#include <hwy/foreach_target.h>
#include "kernels/packet-inl.h"
#include <cmath>
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/pool_window.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

using Places = hn::RebindToSigned<F32>;  // a place in a window for each lane
using PlaceBytes = hn::Rebind<uint8_t, F32>;

HWY_INLINE void store_places(hn::Vec<Places> places, uint8_t* p, int lanes) {
  HWY_ALIGN uint8_t buffer[kLanes];
  const auto bytes = hn::DemoteTo(PlaceBytes(), places);
  if (lanes == kLanes) return hn::StoreU(bytes, PlaceBytes(), p);
  hn::StoreU(bytes, PlaceBytes(), buffer);
  for (int i = 0; i < lanes; ++i) p[i] = buffer[i];
}
HWY_INLINE hn::Vec<Places> load_places(const uint8_t* p, int lanes) {
  HWY_ALIGN uint8_t buffer[kLanes] = {};
  if (lanes < kLanes)
    for (int i = 0; i < lanes; ++i) buffer[i] = p[i];
  return hn::PromoteTo(Places(), hn::LoadU(PlaceBytes(), lanes == kLanes ? p : buffer));
}

template <class T>
void body(MaxPoolForward<T> p) {
  const PoolShape s = p.shape;
  const int out_h = s.out_height(), out_w = s.out_width();
  parallel_for(int64_t(s.samples) * out_h, 1, [=](int64_t row, int64_t) HWY_ATTR {
    const int64_t n = row / out_h;
    const int oh = int(row % out_h);
    for (int ow = 0; ow < out_w; ++ow) {
      const Window w = window(s, oh, ow);
      const int64_t out = (row * out_w + ow) * s.channels;
      for_packets(0, s.channels, [&](int64_t c, int lanes) HWY_ATTR {
        Packet best;
        hn::Vec<Places> from;
        for (int h = w.top; h < w.bottom; ++h)
          for (int x = w.left; x < w.right; ++x) {
            const Packet value =
                packet(p.x + ((n * s.height + h) * s.width + x) * s.channels + c, lanes);
            const auto place = hn::Set(Places(), int32_t(position_in_window(s, h, x, oh, ow)));
            if (h == w.top && x == w.left) {
              best = value, from = place;
              continue;
            }
            const Mask better =
                hn::Or(value > best, hn::AndNot(hn::IsNaN(best.v), hn::IsNaN(value.v)));
            best = select(better, value, best);
            from = hn::IfThenElse(hn::RebindMask(Places(), better), place, from);
          }
        store(best, p.y + out + c, lanes);
        if (p.from) store_places(from, p.from + out + c, lanes);
      });
    }
  });
}

template <class T>
void body(MaxPoolBackward<T> p) {
  const PoolShape s = p.shape;
  const int out_h = s.out_height(), out_w = s.out_width();
  parallel_for(int64_t(s.samples) * s.height, 1, [=](int64_t row, int64_t) HWY_ATTR {
    const int64_t n = row / s.height;
    const int h = int(row % s.height);
    const Span rows = outputs_of(h, s.kernel, s.stride, s.pad, out_h);
    for (int x = 0; x < s.width; ++x) {
      const Span cols = outputs_of(x, s.kernel, s.stride, s.pad, out_w);
      for_packets(0, s.channels, [&](int64_t c, int lanes) HWY_ATTR {
        Packet total(0.0);
        for (int oh = rows.first; oh < rows.last; ++oh)
          for (int ow = cols.first; ow < cols.last; ++ow) {
            const int64_t out = ((n * out_h + oh) * out_w + ow) * s.channels + c;
            const auto place = hn::Set(Places(), int32_t(position_in_window(s, h, x, oh, ow)));
            const auto here =
                hn::RebindMask(F32(), hn::Eq(load_places(p.from + out, lanes), place));
            total = total + select(here, packet(p.dy + out, lanes), Packet(0.0));
          }
        store(total, p.dx + (row * s.width + x) * s.channels + c, lanes);
      });
    }
  });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class T>
void body(MaxPoolForward<T> p) {
  const PoolShape s = p.shape;
  const int out_h = s.out_height(), out_w = s.out_width();
  parallel_for(int64_t(s.samples) * out_h, 1, [=](int64_t row, int64_t) {
    const int64_t n = row / out_h;
    const int oh = int(row % out_h);
    for (int ow = 0; ow < out_w; ++ow) {
      const Window w = window(s, oh, ow);
      const int64_t out = (row * out_w + ow) * s.channels;
      for (int h = w.top; h < w.bottom; ++h)
        for (int x = w.left; x < w.right; ++x) {
          const T* in = p.x + ((n * s.height + h) * s.width + x) * s.channels;
          const bool first = h == w.top && x == w.left;
          for (int c = 0; c < s.channels; ++c) {
            const Acc<T> value = Acc<T>(in[c]), best = Acc<T>(p.y[out + c]);
            if (first || value > best || (std::isnan(value) && !std::isnan(best))) {
              p.y[out + c] = in[c];
              if (p.from) p.from[out + c] = position_in_window(s, h, x, oh, ow);
            }
          }
        }
    }
  });
}

template <class T>
void body(MaxPoolBackward<T> p) {
  const PoolShape s = p.shape;
  const int out_h = s.out_height(), out_w = s.out_width();
  parallel_for(int64_t(s.samples) * s.height, 1, [=](int64_t row, int64_t) {
    const int64_t n = row / s.height;
    const int h = int(row % s.height);
    const Span rows = outputs_of(h, s.kernel, s.stride, s.pad, out_h);
    for (int x = 0; x < s.width; ++x) {
      const Span cols = outputs_of(x, s.kernel, s.stride, s.pad, out_w);
      for (int c = 0; c < s.channels; ++c) {
        Acc<T> total = 0;
        for (int oh = rows.first; oh < rows.last; ++oh)
          for (int ow = cols.first; ow < cols.last; ++ow) {
            const int64_t out = ((n * out_h + oh) * out_w + ow) * s.channels + c;
            if (p.from[out] == position_in_window(s, h, x, oh, ow)) total += Acc<T>(p.dy[out]);
          }
        p.dx[(row * s.width + x) * s.channels + c] = T(total);
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
void run(Cpu, MaxPoolForward<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, MaxPoolBackward<T> p) {
  choose<T>(p);
}

#define INSTANCES(T)                         \
  template void run(Cpu, MaxPoolForward<T>); \
  template void run(Cpu, MaxPoolBackward<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
#endif
