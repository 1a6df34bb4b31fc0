#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduction.cpp"
#include <hwy/foreach_target.h>
#include "kernels/packet-inl.h"
#include <algorithm>
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/reduction.h"

// Every sum is taken chunk by chunk into one partial a chunk, and the partials are added in order.
// The bodies below make the partials of one chunk; chunks depend on the sizes alone.
HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

template <class T>
void sum_rows_chunk(float* y, const T* x, int64_t rows, int cols) {
  for_packets(0, cols, [&](int64_t c, int lanes) HWY_ATTR {
    Packet total(0.0);
    for (int64_t r = 0; r < rows; ++r) total = total + packet(x + r * cols + c, lanes);
    store(total, y + c, lanes);
  });
}

template <class T>
float sum_chunk(const T* x, int64_t n) {
  Packet total(0.0);
  for_packets(0, n, [&](int64_t i, int lanes) HWY_ATTR { total = total + packet(x + i, lanes); });
  return sum(total);
}

template <class T>
float sum_of_squares_chunk(const T* x, int64_t n) {
  Packet total(0.0);
  for_packets(0, n, [&](int64_t i, int lanes) HWY_ATTR {
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

template <class T>
void sum_rows_chunk(Acc<T>* y, const T* x, int64_t rows, int cols) {
  std::fill_n(y, cols, Acc<T>(0));
  for (int64_t r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) y[c] += Acc<T>(x[r * cols + c]);
}

template <class T>
Acc<T> sum_chunk(const T* x, int64_t n) {
  Acc<T> total = 0;
  for (int64_t i = 0; i < n; ++i) total += Acc<T>(x[i]);
  return total;
}

template <class T>
Acc<T> sum_of_squares_chunk(const T* x, int64_t n) {
  Acc<T> total = 0;
  for (int64_t i = 0; i < n; ++i) total += Acc<T>(x[i]) * Acc<T>(x[i]);
  return total;
}

}  // namespace plain

namespace {

constexpr int64_t kChunk = 1 << 14;  // elements

template <class T>
using SumRowsChunk = void(Acc<T>*, const T*, int64_t, int);
template <class T>
using SumChunk = Acc<T>(const T*, int64_t);

template <class T>
SumRowsChunk<T>* sum_rows_body() {
  if constexpr (std::is_same_v<T, double>) return plain::sum_rows_chunk<T>;
  else
    return for_cpu_class<SumRowsChunk<T>>(plain::sum_rows_chunk, N_AVX2::sum_rows_chunk,
                                          N_AVX3::sum_rows_chunk);
}
template <class T>
SumChunk<T>* sum_body() {
  if constexpr (std::is_same_v<T, double>) return plain::sum_chunk<T>;
  else return for_cpu_class<SumChunk<T>>(plain::sum_chunk, N_AVX2::sum_chunk, N_AVX3::sum_chunk);
}
template <class T>
SumChunk<T>* sum_of_squares_body() {
  if constexpr (std::is_same_v<T, double>) return plain::sum_of_squares_chunk<T>;
  else
    return for_cpu_class<SumChunk<T>>(plain::sum_of_squares_chunk, N_AVX2::sum_of_squares_chunk,
                                      N_AVX3::sum_of_squares_chunk);
}

// The partials of all chunks, added in double.
template <class T>
double sum_all(const T* x, int64_t n, SumChunk<T>* body) {
  Scratch<Acc<T>> partial(chunk_count(n, kChunk));
  for_chunks(n, kChunk, [&](int64_t chunk, int64_t begin, int64_t end) {
    partial[chunk] = body(x + begin, end - begin);
  });
  double total = 0;
  for (int64_t i = 0; i < chunk_count(n, kChunk); ++i) total += double(partial[i]);
  return total;
}

}  // namespace

template <class T>
void run(Cpu, SumRows<T> p) {
  int64_t grain = std::max<int64_t>(1, kChunk / std::max(p.cols, 1)),
          chunks = chunk_count(p.rows, grain);
  Scratch<Acc<T>> partial(std::max<int64_t>(chunks, 1) * p.cols);
  auto body = sum_rows_body<T>();
  for_chunks(p.rows, grain, [&](int64_t chunk, int64_t begin, int64_t end) {
    body(partial.data() + chunk * p.cols, p.x + begin * p.cols, end - begin, p.cols);
  });
  for (int c = 0; c < p.cols; ++c) {
    double total = 0;
    for (int64_t i = 0; i < chunks; ++i) total += double(partial[i * p.cols + c]);
    p.y[c] = Acc<T>(total);
  }
}

template <class T>
void run(Cpu, SumAll<T> p) {
  *p.y = Acc<T>(p.scale * sum_all(p.x, p.n, sum_body<T>()));
}

template <class T>
void run(Cpu, SumOfSquares<T> p) {
  *p.y = Acc<T>(sum_all(p.x, p.n, sum_of_squares_body<T>()));
}

template <class T>
void run(Cpu, SpreadCols<T> p) {
  parallel_for(p.rows, std::max<int64_t>(1, kChunk / std::max(p.cols, 1)),
               [=](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r)
                   std::fill_n(p.dx + r * p.cols, p.cols, T(Acc<T>(p.scale * double(p.dy[r]))));
               });
}

#define INSTANCES(T)                       \
  template void run(Cpu, SumRows<T>);      \
  template void run(Cpu, SumAll<T>);       \
  template void run(Cpu, SumOfSquares<T>); \
  template void run(Cpu, SpreadCols<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
#endif
