// L2 normalisation of rows on the CPU: a row is read twice, its second time from cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/unit_rows.cpp"
#include <hwy/foreach_target.h>
#include <cmath>
#include "kernels/packet-inl.h"
#include "kernels/channels.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/unit_rows.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

template <class T>
void forward_rows(UnitRowsForward<T> p, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const T* x = p.x + r * p.cols;
    T* y = p.y + r * p.cols;
    const float scale = 1 / std::max(std::sqrt(dot(x, x, p.cols)), p.eps);
    if (p.scale) p.scale[r] = scale;
    const Packet by(double{scale});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      store(packet(x + c, lanes) * by, y + c, lanes);
    });
  }
}

template <class T>
void backward_rows(UnitRowsBackward<T> p, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const T *y = p.y + r * p.cols, *dy = p.dy + r * p.cols;
    T* dx = p.dx + r * p.cols;
    const Packet along(double{-dot(y, dy, p.cols)}), scale(double{p.scale[r]});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      store(scale * fma(along, packet(y + c, lanes), packet(dy + c, lanes)), dx + c, lanes);
    });
  }
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class T>
void forward_rows(UnitRowsForward<T> p, int64_t begin, int64_t end) {
  using A = Acc<T>;
  for (int64_t r = begin; r < end; ++r) {
    const T* x = p.x + r * p.cols;
    const A scale = 1 / max(sqrt(dot(x, x, p.cols)), A(p.eps));
    if (p.scale) p.scale[r] = scale;
    for (int c = 0; c < p.cols; ++c) p.y[r * p.cols + c] = T(A(x[c]) * scale);
  }
}

template <class T>
void backward_rows(UnitRowsBackward<T> p, int64_t begin, int64_t end) {
  using A = Acc<T>;
  for (int64_t r = begin; r < end; ++r) {
    const T *y = p.y + r * p.cols, *dy = p.dy + r * p.cols;
    const A along = dot(y, dy, p.cols);
    for (int c = 0; c < p.cols; ++c)
      p.dx[r * p.cols + c] = T(p.scale[r] * (A(dy[c]) - along * A(y[c])));
  }
}

}  // namespace plain

template <class T>
void run(Cpu, UnitRowsForward<T> p) {
  void (*rows)(UnitRowsForward<T>, int64_t, int64_t) = plain::forward_rows<T>;
  if constexpr (!std::is_same_v<T, double>)
    rows = for_cpu_class<void(UnitRowsForward<T>, int64_t, int64_t)>(
        plain::forward_rows<T>, N_AVX2::forward_rows<T>, N_AVX3::forward_rows<T>);
  parallel_for(p.rows, channel_grain(p.cols),
               [&](int64_t begin, int64_t end) { rows(p, begin, end); });
}

template <class T>
void run(Cpu, UnitRowsBackward<T> p) {
  void (*rows)(UnitRowsBackward<T>, int64_t, int64_t) = plain::backward_rows<T>;
  if constexpr (!std::is_same_v<T, double>)
    rows = for_cpu_class<void(UnitRowsBackward<T>, int64_t, int64_t)>(
        plain::backward_rows<T>, N_AVX2::backward_rows<T>, N_AVX3::backward_rows<T>);
  parallel_for(p.rows, channel_grain(p.cols),
               [&](int64_t begin, int64_t end) { rows(p, begin, end); });
}

template void run(Cpu, UnitRowsForward<float>);
template void run(Cpu, UnitRowsForward<bf16>);
template void run(Cpu, UnitRowsForward<double>);
template void run(Cpu, UnitRowsBackward<float>);
template void run(Cpu, UnitRowsBackward<bf16>);
template void run(Cpu, UnitRowsBackward<double>);

}  // namespace autodidact
#endif
