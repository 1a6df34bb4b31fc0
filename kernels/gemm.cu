// GEMM on CUDA: a block for each tile of C (and each part of a long k), see matrix_panel.h; where k
// is split, the parts go to the workspace and a second launch adds them in order. Where the
// vendor's library is there it goes first (kernels/vendor); this is its twin.
#include "kernels/gemm.h"
#include <type_traits>
#include "kernels/device_scratch.h"
#include "kernels/matrix_cut.h"
#include "kernels/matrix_sums.h"
#include "kernels/pack.h"
#include "kernels/vendor/vendor.h"

namespace autodidact {
namespace {

constexpr int kSumThreads = 256;

// C from the sums of N neighbours: `left` of them are columns of C.
template <class T, class Out, int N>
__device__ __forceinline__ void finish(const Gemm<T, Out>& p, Out* c, int column,
                                       const float (&sums)[N], int left) {
  float v[N];
  UNROLL
  for (int n = 0; n < N; ++n) {
    v[n] = p.alpha * sums[n];
    if (n >= left) continue;
    if (p.beta != 0) v[n] += p.beta * float(c[n]);
    if (p.bias) v[n] += p.bias[column + n];
    if (p.relu && v[n] < 0) v[n] = 0;
  }
  store_sums(c, v, left);
}

// parts: [batch, splits, m, n], or null where k is not split.
// One block at least: left to choose, ptxas spills one instance on sm_100 for the sake of more.
template <class Shape, bool kTransposeA, bool kTransposeB, class T, class Out>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    gemm_kernel(Gemm<T, Out> p, Cut cut, bool packs_a, bool packs_b, float* parts) {
  constexpr bool kA = !kTransposeA, kB = kTransposeB;  // whether k is contiguous
  auto& panels = shared<Panels<Shape, kA, kB>>();
  const PartOfBlock part(cut);
  const int m0 = part.row * Shape::kM, n0 = part.column * Shape::kN;
  const int k0 = part.split * cut.depth, k_end = std::min(p.k, k0 + cut.depth);
  const T* a = p.a + part.element * p.stride_a;
  const T* b = p.b + part.element * p.stride_b;
  // Element (e, k) of op(A) or of op(B) transposed, and those after it.
  auto from = [&](const T* matrix, bool along_k, int64_t ld, int e, int extent, int k) {
    if (along_k) return Source<T>{matrix + e * ld + k, e < extent ? k_end - k : 0};
    return Source<T>{matrix + k * ld + e, k < k_end ? extent - e : 0};
  };
  TileSums<Shape, kA, kB> sums;
  multiply_panels(sums, panels, (k_end - k0 + Shape::kK - 1) / Shape::kK, [&](auto& to, int step) {
    const int k = k0 + step * Shape::kK;
    copy_panel<Shape>(to.a, packs_a, [&](int row, int column) {
      return kA ? from(a, true, p.lda, m0 + row, p.m, k + column)
                : from(a, false, p.lda, m0 + column, p.m, k + row);
    });
    copy_panel<Shape>(to.b, packs_b, [&](int row, int column) {
      return kB ? from(b, true, p.ldb, n0 + row, p.n, k + column)
                : from(b, false, p.ldb, n0 + column, p.n, k + row);
    });
  });
  float* own = parts + (int64_t(part.element) * cut.splits + part.split) * p.m * p.n;
  Out* c = p.c + part.element * p.stride_c;
  sums.for_each([&](int row, int column, const auto& v) {
    const int i = m0 + row, j = n0 + column;
    if (i >= p.m || j >= p.n) return;
    if (parts) store_sums(own + int64_t(i) * p.n + j, v, p.n - j);
    else finish(p, c + i * p.ldc + j, j, v, p.n - j);
  });
}

// N neighbours of a row a thread.
template <int N, class T, class Out>
__global__ void gemm_parts_kernel(Gemm<T, Out> p, const float* parts, int splits) {
  const int64_t size = int64_t(p.m) * p.n;
  for (int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * N; i < size * p.batch;
       i += int64_t(gridDim.x) * blockDim.x * N) {
    const int64_t element = i / size, row = i % size / p.n;
    const int column = int(i % p.n);
    const float* part = parts + element * splits * size + i % size;
    auto sum = load<N>(part);
    for (int s = 1; s < splits; ++s) {
      auto add = load<N>(part + s * size);
      for (int j = 0; j < N; ++j) sum.v[j] += add.v[j];
    }
    finish(p, p.c + element * p.stride_c + row * p.ldc + column, column, sum.v, N);
  }
}

template <class Shape, class T, class Out>
void gemm(Cuda queue, const Gemm<T, Out>& p, const Cut& cut, float* parts) {
  const bool packs_a = packs(p.a, {p.lda, p.batch > 1 ? p.stride_a : 0});
  const bool packs_b = packs(p.b, {p.ldb, p.batch > 1 ? p.stride_b : 0});
  auto with = [&](auto transpose_a, auto transpose_b) {
    constexpr bool kTA = transpose_a(), kTB = transpose_b();
    launch(queue, cut.blocks, Shape::kThreads, sizeof(Panels<Shape, !kTA, kTB>),
           gemm_kernel<Shape, kTA, kTB, T, Out>, p, cut, packs_a, packs_b, parts);
  };
  using Yes = std::true_type;
  using No = std::false_type;
  if (p.transpose_a) p.transpose_b ? with(Yes(), Yes()) : with(Yes(), No());
  else p.transpose_b ? with(No(), Yes()) : with(No(), No());
}

}  // namespace

template <class T, class Out>
void run(Cuda queue, Gemm<T, Out> p) {
  if (p.m == 0 || p.n == 0 || p.batch == 0) return;
  if (vendor::gemm(queue, p)) return;
  const Cut cut = choose_cut<T>(p.m, p.n, p.k, p.batch, true);
  const int64_t results = int64_t(p.m) * p.n * p.batch;
  DeviceScratch<float> parts(queue, cut.splits > 1 ? cut.splits * results : 0);
  if (cut.large) gemm<LargeTile<T>>(queue, p, cut, parts.data());
  else gemm<SmallTile<T>>(queue, p, cut, parts.data());
  if (cut.splits > 1)
    choose_pack<kPack<float>>(p.n % kPack<float> == 0, [&](auto pack) {
      const int64_t blocks = tiles_of(results, kSumThreads * pack());
      launch(queue, unsigned(std::min<int64_t>(blocks, 1024)), kSumThreads, 0,
             gemm_parts_kernel<pack(), T, Out>, p, parts.data(), cut.splits);
    });
}

template void run(Cuda, Gemm<float>);
template void run(Cuda, Gemm<bf16>);
template void run(Cuda, Gemm<bf16, float>);

}  // namespace autodidact
