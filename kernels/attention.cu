// Attention on CUDA. A warp has one row of its own (a query, or in the pass for dk and dv a key)
// and meets the rows of the other kind 32 at a time, staged in shared memory: a lane takes one of
// them for the dot products, then some of the channels for the sums. Nothing of tokens x tokens is
// in memory, and no sum depends on which warp comes first.
#include <algorithm>
#include <stdexcept>
#include <string>
#include "kernels/attention.h"
#include "kernels/columns.h"

namespace autodidact {
namespace {

constexpr int kWarps = 8, kTile = kWarpSize;
constexpr int kMostDim = 256;  // channels of a head

// Where one head of one sample lies; rows of q, k and v are `pitch` numbers apart.
struct Head {
  int64_t qkv, out, row;  // of its first query; row: in lse
  int64_t part, pitch, out_pitch;
  template <class P>
  __device__ explicit Head(const P& p) {
    int64_t sample = int(blockIdx.x) / p.heads, head = int(blockIdx.x) % p.heads;
    part = int64_t(p.heads) * p.dim, pitch = 3 * part, out_pitch = part;
    qkv = (sample * p.tokens * 3 * p.heads + head) * p.dim;
    out = (sample * p.tokens * p.heads + head) * p.dim;
    row = int64_t(blockIdx.x) * p.tokens;
  }
};

// Two matrices of a tile's rows, an odd number of words apart so that the lanes of a column read
// different banks, and each warp's own two rows.
struct Shared {
  float *first, *second, *own_first, *own_second;
  int pitch;
  __device__ Shared(float* memory, int dim) {
    pitch = dim | 1;
    first = memory, second = first + kTile * pitch;
    own_first = second + kTile * pitch + int(threadIdx.y) * 2 * dim, own_second = own_first + dim;
  }
};
size_t shared_bytes(int dim) {
  return sizeof(float) * (2 * size_t(kTile) * size_t(dim | 1) + 2 * size_t(kWarps) * size_t(dim));
}

// Rows [begin, begin + 32) of one matrix; beyond the last row, zeros.
template <class T>
__device__ __forceinline__ void stage_tile(float* to, int to_pitch, const T* from, int64_t pitch,
                                           int begin, int tokens, int dim) {
  int thread = int(threadIdx.y) * kWarpSize + int(threadIdx.x);
  for (int i = thread; i < kTile * dim; i += kWarps * kWarpSize) {
    int r = i / dim, d = i % dim;
    to[r * to_pitch + d] = begin + r < tokens ? float(from[(begin + r) * pitch + d]) : 0.0f;
  }
}
template <class T>
__device__ __forceinline__ void stage_own(float* to, const T* from, int dim) {
  for (int d = int(threadIdx.x); d < dim; d += kWarpSize) to[d] = float(from[d]);
}

__device__ __forceinline__ float dot(const float* a, const float* b, int dim) {
  float sum = 0;
  for (int d = 0; d < dim; ++d) sum = fma(a[d], b[d], sum);
  return sum;
}

// sums[k] of channel lane + 32 k += sum over the tile of weight (a lane each) row[channel].
template <int R>
__device__ __forceinline__ void add_rows(float (&sums)[R], float weight, const float* rows,
                                         int pitch, int dim) {
  for (int j = 0; j < kTile; ++j) {
    float w = __shfl_sync(~0u, weight, j);
    for (int k = 0; k < R; ++k) {
      int d = int(threadIdx.x) + k * kWarpSize;
      if (d < dim) sums[k] = fma(w, rows[j * pitch + d], sums[k]);
    }
  }
}

// grid: (samples x heads, blocks of kWarps queries); block: (32, kWarps)
template <int R, class T>
__global__ void attention_forward_kernel(AttentionForward<T> p, float scale) {
  Head head(p);
  Shared s(&shared<float>(), p.dim);
  const T *q = p.qkv + head.qkv, *k = q + head.part, *v = k + head.part;
  int i = int(blockIdx.y) * kWarps + int(threadIdx.y), lane = int(threadIdx.x);
  bool mine = i < p.tokens;
  if (mine) stage_own(s.own_first, q + i * head.pitch, p.dim);
  float most = Largest::nothing<float>(), total = 0, sums[R] = {};
  for (int begin = 0; begin < p.tokens; begin += kTile) {
    __syncthreads();  // the tile before may still be read
    stage_tile(s.first, s.pitch, k, head.pitch, begin, p.tokens, p.dim);
    stage_tile(s.second, s.pitch, v, head.pitch, begin, p.tokens, p.dim);
    __syncthreads();
    if (!mine) continue;
    float logit = begin + lane < p.tokens
                      ? scale * dot(s.own_first, s.first + lane * s.pitch, p.dim)
                      : Largest::nothing<float>();
    float top = max(warp_reduce<Largest>(logit), most);
    float shrink = begin == 0 ? 0.0f : exp(most - top);
    float e = begin + lane < p.tokens ? exp(logit - top) : 0.0f;
    total = fma(shrink, total, warp_sum(e));
    for (int c = 0; c < R; ++c) sums[c] *= shrink;
    add_rows(sums, e, s.second, s.pitch, p.dim);
    most = top;
  }
  if (!mine) return;
  for (int c = 0; c < R; ++c) {
    int d = lane + c * kWarpSize;
    if (d < p.dim) p.o[head.out + i * head.out_pitch + d] = T(sums[c] / total);
  }
  if (p.lse && lane == 0) p.lse[head.row + i] = most + log(total);
}

// shift = dout . o for each query, which blockDim.x lanes of a warp have, a power of two.
// shift: [batch, heads, tokens]
template <int N, class T>
__global__ void attention_shift_kernel(AttentionBackward<T> p, float* shift) {
  Head head(p);
  int i = int(blockIdx.y * blockDim.y + threadIdx.y);
  float sum = 0;
  for (int d = int(threadIdx.x) * N; i < p.tokens && d < p.dim; d += int(blockDim.x) * N) {
    int64_t at = head.out + i * head.out_pitch + d;
    auto dout = load_acc<N>(p.dout + at), o = load_acc<N>(p.o + at);
    for (int j = 0; j < N; ++j) sum = fma(dout.v[j], o.v[j], sum);
  }
  for (int distance = int(blockDim.x) / 2; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(~0u, sum, distance);
  if (threadIdx.x == 0 && i < p.tokens) shift[head.row + i] = sum;
}

// kKeys false: a warp's row is a query, and dq is written; true: it is a key, and dk and dv are.
template <bool kKeys, int R, class T>
__global__ void attention_backward_kernel(AttentionBackward<T> p, const float* shift, float scale) {
  Head head(p);
  Shared s(&shared<float>(), p.dim);
  const T *q = p.qkv + head.qkv, *k = q + head.part, *v = k + head.part, *dout = p.dout + head.out;
  int i = int(blockIdx.y) * kWarps + int(threadIdx.y), lane = int(threadIdx.x);
  bool mine = i < p.tokens;
  if (mine) {
    stage_own(s.own_first, (kKeys ? k : q) + i * head.pitch, p.dim);
    if constexpr (kKeys) stage_own(s.own_second, v + i * head.pitch, p.dim);
    else stage_own(s.own_second, dout + i * head.out_pitch, p.dim);
  }
  float of_logit[R] = {}, of_share[R] = {};
  for (int begin = 0; begin < p.tokens; begin += kTile) {
    __syncthreads();  // the tile before may still be read
    stage_tile(s.first, s.pitch, kKeys ? q : k, head.pitch, begin, p.tokens, p.dim);
    if constexpr (kKeys)
      stage_tile(s.second, s.pitch, dout, head.out_pitch, begin, p.tokens, p.dim);
    else stage_tile(s.second, s.pitch, v, head.pitch, begin, p.tokens, p.dim);
    __syncthreads();
    if (!mine) continue;
    float share = 0, dlogit = 0;
    if (begin + lane < p.tokens) {
      int64_t query = head.row + (kKeys ? begin + lane : i);
      float logit = scale * dot(s.own_first, s.first + lane * s.pitch, p.dim);
      float dshare = dot(s.own_second, s.second + lane * s.pitch, p.dim);
      share = exp(logit - p.lse[query]);
      dlogit = share * (dshare - shift[query]);
    }
    add_rows(of_logit, dlogit, s.first, s.pitch, p.dim);
    if constexpr (kKeys) add_rows(of_share, share, s.second, s.pitch, p.dim);
  }
  if (!mine) return;
  T* to = p.dqkv + head.qkv + (kKeys ? head.part : 0) + i * head.pitch;
  for (int c = 0; c < R; ++c) {
    int d = lane + c * kWarpSize;
    if (d >= p.dim) continue;
    to[d] = T(scale * of_logit[c]);
    if constexpr (kKeys) to[head.part + d] = T(of_share[c]);
  }
}

// f(R as a constant): channels a lane.
template <class F>
void choose_channels(int dim, F f) {
  if (dim <= 32) f(std::integral_constant<int, 1>{});
  else if (dim <= 64) f(std::integral_constant<int, 2>{});
  else if (dim <= 128) f(std::integral_constant<int, 4>{});
  else if (dim <= kMostDim) f(std::integral_constant<int, 8>{});
  else
    throw LaunchFailure(-1, "attention",
                        "a head must have at most " + std::to_string(kMostDim) +
                            " channels on CUDA, got " + std::to_string(dim));
}

template <class P>
dim3 grid_of(const P& p, unsigned queries = kWarps) {
  return {unsigned(p.batch * p.heads), unsigned(div_up(p.tokens, queries))};
}

}  // namespace

template <class T>
void run(Cuda queue, AttentionForward<T> p) {
  if (p.batch == 0 || p.tokens == 0) return;
  const float scale = 1 / std::sqrt(float(p.dim));
  choose_channels(p.dim, [&](auto channels) {
    launch(queue, grid_of(p), dim3(kWarpSize, kWarps), shared_bytes(p.dim),
           attention_forward_kernel<channels(), T>, p, scale);
  });
}

template <class T>
void run(Cuda queue, AttentionBackward<T> p) {
  if (p.batch == 0 || p.tokens == 0) return;
  const float scale = 1 / std::sqrt(float(p.dim));
  const dim3 block(kWarpSize, kWarps);
  DeviceScratch<float> shift(queue, int64_t(p.batch) * p.heads * p.tokens);
  choose_pack<kPack<T>>(p.dim % kPack<T> == 0 && aligned(p.dout, p.o), [&](auto pack) {
    const dim3 lanes = column_block(p.dim, pack());
    launch(queue, grid_of(p, lanes.y), lanes, 0, attention_shift_kernel<pack(), T>, p,
           shift.data());
  });
  choose_channels(p.dim, [&](auto channels) {
    launch(queue, grid_of(p), block, shared_bytes(p.dim),
           attention_backward_kernel<false, channels(), T>, p, shift.data(), scale);
    launch(queue, grid_of(p), block, shared_bytes(p.dim),
           attention_backward_kernel<true, channels(), T>, p, shift.data(), scale);
  });
}

template void run(Cuda, AttentionForward<float>);
template void run(Cuda, AttentionForward<bf16>);
template void run(Cuda, AttentionBackward<float>);
template void run(Cuda, AttentionBackward<bf16>);

}  // namespace autodidact
