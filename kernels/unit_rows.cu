// L2 normalisation of rows on CUDA: a warp a row, which is read twice, its second time from cache.
#include "kernels/unit_rows.h"
#include "kernels/warp_rows.h"

namespace autodidact {
namespace {

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

}  // namespace

template <class T>
void run(Cuda queue, UnitRowsForward<T> p) {
  choose_pack<kPack<T>>(p.cols % kPack<T> == 0 && aligned(p.y, p.x), [&](auto pack) {
    launch_warp_rows(queue, p.rows, unit_rows_forward_kernel<pack(), T>, p);
  });
}

template <class T>
void run(Cuda queue, UnitRowsBackward<T> p) {
  choose_pack<kPack<T>>(p.cols % kPack<T> == 0 && aligned(p.dx, p.dy, p.y), [&](auto pack) {
    launch_warp_rows(queue, p.rows, unit_rows_backward_kernel<pack(), T>, p);
  });
}

#define INSTANCES(T)                           \
  template void run(Cuda, UnitRowsForward<T>); \
  template void run(Cuda, UnitRowsBackward<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
