// L2 normalisation of rows on CUDA: a warp a row, which is read twice, its second time from cache.
#include "kernels/columns.h"
#include "kernels/unit_rows.h"

namespace autodidact {
namespace {

constexpr int kWarps = 8;

__device__ __forceinline__ int64_t row_of_warp() {
  return int64_t(blockIdx.x) * kWarps + threadIdx.y;
}

template <int N, class T>
__device__ __forceinline__ float warp_dot(const T* a, const T* b, int cols) {
  float total = 0;
  for (int c = int(threadIdx.x) * N; c < cols; c += kWarpSize * N) {
    const auto u = load_acc<N>(a + c), v = load_acc<N>(b + c);
    for (int j = 0; j < N; ++j) total = fma(u.v[j], v.v[j], total);
  }
  return warp_sum(total);
}

template <int N, class T>
__global__ void unit_rows_forward_kernel(UnitRowsForward<T> p) {
  const int64_t r = row_of_warp();
  if (r >= p.rows) return;
  const T* x = p.x + r * p.cols;
  // In this order max lets the length of a row with a NaN through.
  const float scale = 1 / max(p.eps, sqrt(warp_dot<N>(x, x, p.cols)));
  for (int c = int(threadIdx.x) * N; c < p.cols; c += kWarpSize * N) {
    auto v = load_acc<N>(x + c);
    for (int j = 0; j < N; ++j) v.v[j] *= scale;
    store_acc<N>(p.y + r * p.cols + c, v);
  }
  if (p.scale && threadIdx.x == 0) p.scale[r] = scale;
}

template <int N, class T>
__global__ void unit_rows_backward_kernel(UnitRowsBackward<T> p) {
  const int64_t r = row_of_warp();
  if (r >= p.rows) return;
  const T *y = p.y + r * p.cols, *dy = p.dy + r * p.cols;
  const float along = warp_dot<N>(y, dy, p.cols), scale = p.scale[r];
  for (int c = int(threadIdx.x) * N; c < p.cols; c += kWarpSize * N) {
    const auto u = load_acc<N>(y + c);
    auto v = load_acc<N>(dy + c);
    for (int j = 0; j < N; ++j) v.v[j] = scale * fma(-along, u.v[j], v.v[j]);
    store_acc<N>(p.dx + r * p.cols + c, v);
  }
}

template <class P>
void launch_rows(Cuda queue, P p, void (*kernel)(P)) {
  launch(queue, unsigned(div_up(p.rows, kWarps)), dim3(kWarpSize, kWarps), 0, kernel, p);
}

}  // namespace

template <class T>
void run(Cuda queue, UnitRowsForward<T> p) {
  if (p.rows == 0) return;
  choose_pack<kPack<T>>(p.cols % kPack<T> == 0 && aligned(p.y, p.x), [&](auto pack) {
    launch_rows(queue, p, unit_rows_forward_kernel<pack(), T>);
  });
}

template <class T>
void run(Cuda queue, UnitRowsBackward<T> p) {
  if (p.rows == 0) return;
  choose_pack<kPack<T>>(p.cols % kPack<T> == 0 && aligned(p.dx, p.dy, p.y), [&](auto pack) {
    launch_rows(queue, p, unit_rows_backward_kernel<pack(), T>);
  });
}

#define INSTANCES(T)                           \
  template void run(Cuda, UnitRowsForward<T>); \
  template void run(Cuda, UnitRowsBackward<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
