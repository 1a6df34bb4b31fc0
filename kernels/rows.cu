// Rows of a table on CUDA: a warp a row. Two warps never write one row: a warp whose index comes
// again later leaves the row to the last of them, so that no order between warps is needed.
#include "kernels/rows.h"
#include "kernels/warp_rows.h"

namespace autodidact {
namespace {

// from null: NaN
template <int N, class T>
__device__ __forceinline__ void copy_row(T* to, const T* from, int dim) {
  for (int c = int(threadIdx.x) * N; c < dim; c += kWarpSize * N)
    store(to + c, from ? load<N>(from + c) : repeated<N>(T(NAN)));
}

__device__ __forceinline__ bool is_row(int64_t index, int64_t rows) {
  return index >= 0 && index < rows;
}

template <int N, class T>
__global__ void gather_rows_kernel(GatherRows<T> p) {
  const int64_t b = row_of_warp();
  if (b >= p.count) return;
  const int64_t index = p.indices[b];
  copy_row<N>(p.y + b * p.dim, is_row(index, p.rows) ? p.x + index * p.dim : nullptr, p.dim);
}

template <int N, class T>
__global__ void scatter_rows_kernel(ScatterRows<T> p) {
  const int64_t b = row_of_warp();
  if (b >= p.count) return;
  const int64_t index = p.indices[b];
  if (!is_row(index, p.rows)) return;
  int again = 0;
  for (int64_t later = b + 1 + threadIdx.x; later < p.count; later += kWarpSize)
    again |= p.indices[later] == index;
  if (!__any_sync(~0u, again)) copy_row<N>(p.x + index * p.dim, p.y + b * p.dim, p.dim);
}

constexpr int kThreads = 256;

template <int N, class T>
__global__ void scale_rows_kernel(ScaleRows<T> p) {
  const float factor = p.factors[blockIdx.x];
  const int64_t row = int64_t(blockIdx.x) * p.dim;
  for (int64_t i = int64_t(threadIdx.x) * N; i < p.dim; i += kThreads * N) {
    Pack<N, T> v = load<N>(p.x + row + i);
    for (int k = 0; k < N; ++k) v.v[k] = T(factor * float(v.v[k]));
    store(p.y + row + i, v);
  }
}

}  // namespace

template <class T>
void run(Cuda queue, GatherRows<T> p) {
  choose_pack<kPack<T>>(p.dim % kPack<T> == 0 && aligned(p.y, p.x), [&](auto pack) {
    launch_warp_rows(queue, p.count, gather_rows_kernel<pack(), T>, p);
  });
}

template <class T>
void run(Cuda queue, ScatterRows<T> p) {
  choose_pack<kPack<T>>(p.dim % kPack<T> == 0 && aligned(p.x, p.y), [&](auto pack) {
    launch_warp_rows(queue, p.count, scatter_rows_kernel<pack(), T>, p);
  });
}

template <class T>
void run(Cuda queue, ScaleRows<T> p) {
  if (p.rows == 0 || p.dim == 0) return;
  choose_pack<kPack<T>>(p.dim % kPack<T> == 0 && aligned(p.y, p.x), [&](auto pack) {
    launch(queue, unsigned(p.rows), kThreads, 0, scale_rows_kernel<pack(), T>, p);
  });
}

#define INSTANCES(T)                       \
  template void run(Cuda, GatherRows<T>);  \
  template void run(Cuda, ScatterRows<T>); \
  template void run(Cuda, ScaleRows<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
