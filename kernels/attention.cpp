// Attention on the CPU: a sample's head is one chunk of work. Its q, k and v are staged as floats,
// then a block of queries at a time meets all keys: logits, exponentials and products with v (and
// their gradients) stay in the first two levels of cache, whatever the number of tokens.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cpp"
#include <hwy/foreach_target.h>
#include <algorithm>
#include <cmath>
#include "kernels/matrix_pack-inl.h"
#include "kernels/packet-inl.h"
#include "kernels/attention.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"

#ifndef AUTODIDACT_KERNELS_ATTENTION_ONCE
#define AUTODIDACT_KERNELS_ATTENTION_ONCE
namespace autodidact {
namespace {

constexpr int kBlockFloats = 12288;  // of a block's logits: 48 KiB, in L2 beside k and v
constexpr int kLeastQueries = 8;     // a block, where there are very many keys

// Queries in blocks of nearly equal size.
struct QueryBlocks {
  int tokens, count;
  QueryBlocks(int t, int pitch) : tokens(t) {
    const int most = std::max(kLeastQueries, kBlockFloats / pitch);
    count = (t + most - 1) / most;
  }
  int begin(int block) const { return int(int64_t(tokens) * block / count); }
  int largest() const { return (tokens + count - 1) / count; }
};

// Where the numbers of one head of one sample lie in a packed [batch, tokens, 3, heads, dim].
template <class P>
struct HeadOffsets {
  int64_t sample, head, qkv, out, qkv_pitch, out_pitch;  // pitches: from token to token
  HeadOffsets(const P& p, int64_t task)
      : sample(task / p.heads),
        head(task % p.heads),
        qkv((sample * p.tokens * 3 * p.heads + head) * p.dim),
        out((sample * p.tokens * p.heads + head) * p.dim),
        qkv_pitch(int64_t(3) * p.heads * p.dim),
        out_pitch(int64_t(p.heads) * p.dim) {}
  int64_t part(const P& p) const { return int64_t(p.heads) * p.dim; }  // from q to k, k to v
};

}  // namespace
}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// Floats from row to row of a staged matrix: an odd number of cache lines, so that the rows of a
// column panel spread over all sets of L1.
inline int staged_pitch(int columns) {
  constexpr int kLine = 16;
  return ((columns + kLine - 1) / kLine | 1) * kLine;
}

// A left operand: element (row, k) at `at + row * row_step + k * k_step`.
struct Left {
  const float* at;
  int64_t row_step, k_step;
};

// c[r][v] = sum over k of a(r, k) b[k][v], added to what c holds if `add`: R rows, V vectors.
template <int R, int V>
void product_tile(float* c, int64_t c_pitch, Left a, const float* b, int64_t b_pitch, int depth,
                  bool add) {
  Vec sum[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      sum[r][v] = add ? hn::Load(F32(), c + r * c_pitch + v * kLanes) : hn::Zero(F32());
  const float* at = a.at;
  for (int k = 0; k < depth; ++k, at += a.k_step, b += b_pitch) {
    Vec row[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) row[v] = hn::Load(F32(), b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec factor = hn::Set(F32(), at[r * a.row_step]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sum[r][v] = hn::MulAdd(factor, row[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) hn::Store(sum[r][v], F32(), c + r * c_pitch + v * kLanes);
}

// c [rows, columns] = a [rows, depth] b [depth, columns]; whole vectors of c are written.
inline void product(float* c, int64_t c_pitch, Left a, const float* b, int64_t b_pitch, int rows,
                    int columns, int depth, bool add = false) {
  for (int j = 0; j < columns; j += kMaxPanel) {
    const int vectors = panel_vectors(columns - j);
    const RowTiles tiles(rows, vectors);
    for (int tile = 0; tile < tiles.count; ++tile) {
      const int i0 = tiles.begin(tile), i1 = tiles.begin(tile + 1);
      with_tile(i1 - i0, vectors, [&]<int R, int V>() HWY_ATTR {
        product_tile<R, V>(c + i0 * c_pitch + j, c_pitch,
                           {a.at + i0 * a.row_step, a.row_step, a.k_step}, b + j, b_pitch, depth,
                           add);
      });
    }
  }
}

// Rows of `columns` numbers, widened, with zeros up to whole vectors.
template <class T>
void stage_rows(float* rows, int pitch, const T* from, int64_t from_pitch, int count, int columns) {
  for (int i = 0; i < count; ++i) {
    float* row = rows + int64_t(i) * pitch;
    copy_elements(row, from + i * from_pitch, columns);
    std::fill(row + columns, row + padded_columns(columns), 0.0f);
  }
}

// The same transposed and scaled: [columns][count], zeros up to whole vectors.
template <class T>
void stage_transposed(float* rows, int pitch, const T* from, int64_t from_pitch, int count,
                      int columns, float scale) {
  transpose(rows, pitch, from, from_pitch, count, columns, scale);
  for (int d = 0; d < columns; ++d)
    std::fill(rows + int64_t(d) * pitch + count, rows + int64_t(d) * pitch + padded_columns(count),
              0.0f);
}

// s -> exp(s - its maximum), in place; returns the sum, and the maximum by reference.
inline float exponentials(float* s, int keys, float& most) {
  const Packet nothing(-std::numeric_limits<double>::infinity());
  Packet top = nothing, total(0);
  for_packets(0, keys, [&](int64_t j, int lanes) HWY_ATTR {
    const Packet x(hn::Load(F32(), s + j));
    top = max(lanes == kLanes
                  ? x
                  : Packet(hn::IfThenElse(hn::FirstN(F32(), size_t(lanes)), x.v, nothing.v)),
              top);
  });
  most = max(top.v);
  const Packet shift(double{most});
  for_packets(0, keys, [&](int64_t j, int lanes) HWY_ATTR {
    const Packet e = first(exp_of_normal(Packet(hn::Load(F32(), s + j)) - shift), lanes);
    hn::Store(e.v, F32(), s + j);
    total = total + e;
  });
  return sum(total);
}

template <class T>
void forward_head(const AttentionForward<T>& p, int64_t task) {
  const HeadOffsets at(p, task);
  const int tokens = p.tokens, dim = p.dim;
  const int keys_pitch = staged_pitch(tokens), dim_pitch = staged_pitch(dim);
  const QueryBlocks blocks(tokens, keys_pitch);
  Scratch<float> k(int64_t(dim) * keys_pitch), v(int64_t(tokens) * dim_pitch);
  Scratch<float> s(int64_t(blocks.largest()) * keys_pitch);
  Scratch<float> q(int64_t(blocks.largest()) * dim_pitch), o(int64_t(blocks.largest()) * dim_pitch);
  const T* qkv = p.qkv + at.qkv;
  stage_transposed(k.data(), keys_pitch, qkv + at.part(p), at.qkv_pitch, tokens, dim,
                   1 / std::sqrt(float(dim)));
  stage_rows(v.data(), dim_pitch, qkv + 2 * at.part(p), at.qkv_pitch, tokens, dim);
  for (int block = 0; block < blocks.count; ++block) {
    const int begin = blocks.begin(block), rows = blocks.begin(block + 1) - begin;
    stage_rows(q.data(), dim_pitch, qkv + begin * at.qkv_pitch, at.qkv_pitch, rows, dim);
    product(s.data(), keys_pitch, {q.data(), dim_pitch, 1}, k.data(), keys_pitch, rows, tokens,
            dim);
    HWY_ALIGN float sums[kBlockFloats / 16];
    for (int r = 0; r < rows; ++r) {
      float most;
      sums[r] = exponentials(s.data() + int64_t(r) * keys_pitch, tokens, most);
      if (p.lse) p.lse[task * tokens + begin + r] = most + std::log(sums[r]);
    }
    product(o.data(), dim_pitch, {s.data(), keys_pitch, 1}, v.data(), dim_pitch, rows, dim, tokens);
    for (int r = 0; r < rows; ++r) {
      const Packet share(1 / double(sums[r]));
      T* out = p.o + at.out + (begin + r) * at.out_pitch;
      for_packets(0, dim, [&](int64_t d, int lanes) HWY_ATTR {
        store(Packet(hn::Load(F32(), o.data() + r * dim_pitch + d)) * share, out + d, lanes);
      });
    }
  }
}

template <class T>
void backward_head(const AttentionBackward<T>& p, int64_t task) {
  const HeadOffsets at(p, task);
  const int tokens = p.tokens, dim = p.dim;
  const int keys_pitch = staged_pitch(tokens), dim_pitch = staged_pitch(dim);
  const int64_t wide = int64_t(dim) * keys_pitch, tall = int64_t(tokens) * dim_pitch;
  const QueryBlocks blocks(tokens, keys_pitch);
  const int64_t block_rows = blocks.largest();
  const float scale = 1 / std::sqrt(float(dim));
  Scratch<float> k(wide), v(wide), k_rows(tall), dk(tall), dv(tall);
  Scratch<float> s(block_rows * keys_pitch), dp(block_rows * keys_pitch);
  Scratch<float> q(block_rows * dim_pitch), dout(block_rows * dim_pitch),
      dq(block_rows * dim_pitch);
  const T *qkv = p.qkv + at.qkv, *key = qkv + at.part(p), *value = key + at.part(p);
  stage_transposed(k.data(), keys_pitch, key, at.qkv_pitch, tokens, dim, scale);
  stage_transposed(v.data(), keys_pitch, value, at.qkv_pitch, tokens, dim, 1.0f);
  stage_rows(k_rows.data(), dim_pitch, key, at.qkv_pitch, tokens, dim);
  T* dqkv = p.dqkv + at.qkv;
  auto unstage = [&](T* to, const float* from, int rows, float factor) HWY_ATTR {
    const Packet f(double{factor});
    for (int r = 0; r < rows; ++r)
      for_packets(0, dim, [&](int64_t d, int lanes) HWY_ATTR {
        store(Packet(hn::Load(F32(), from + r * dim_pitch + d)) * f, to + r * at.qkv_pitch + d,
              lanes);
      });
  };
  for (int block = 0; block < blocks.count; ++block) {
    const int begin = blocks.begin(block), rows = blocks.begin(block + 1) - begin;
    const bool add = block > 0;
    stage_rows(q.data(), dim_pitch, qkv + begin * at.qkv_pitch, at.qkv_pitch, rows, dim);
    const T* dout_rows = p.dout + at.out + begin * at.out_pitch;
    const T* o_rows = p.o + at.out + begin * at.out_pitch;
    stage_rows(dout.data(), dim_pitch, dout_rows, at.out_pitch, rows, dim);
    product(s.data(), keys_pitch, {q.data(), dim_pitch, 1}, k.data(), keys_pitch, rows, tokens,
            dim);
    product(dp.data(), keys_pitch, {dout.data(), dim_pitch, 1}, v.data(), keys_pitch, rows, tokens,
            dim);
    for (int r = 0; r < rows; ++r) {
      const float along = dot(dout_rows + r * at.out_pitch, o_rows + r * at.out_pitch, dim);
      const Packet shift(double{along}), lse(double{p.lse[task * tokens + begin + r]});
      float *s_row = s.data() + int64_t(r) * keys_pitch,
            *dp_row = dp.data() + int64_t(r) * keys_pitch;
      for_packets(0, tokens, [&](int64_t j, int) HWY_ATTR {  // what lies beyond is never read
        const Packet e = exp_of_normal(Packet(hn::Load(F32(), s_row + j)) - lse);
        hn::Store(e.v, F32(), s_row + j);
        hn::Store((e * (Packet(hn::Load(F32(), dp_row + j)) - shift)).v, F32(), dp_row + j);
      });
    }
    product(dv.data(), dim_pitch, {s.data(), 1, keys_pitch}, dout.data(), dim_pitch, tokens, dim,
            rows, add);
    product(dk.data(), dim_pitch, {dp.data(), 1, keys_pitch}, q.data(), dim_pitch, tokens, dim,
            rows, add);
    product(dq.data(), dim_pitch, {dp.data(), keys_pitch, 1}, k_rows.data(), dim_pitch, rows, dim,
            tokens);
    unstage(dqkv + begin * at.qkv_pitch, dq.data(), rows, scale);
  }
  unstage(dqkv + at.part(p), dk.data(), tokens, scale);
  unstage(dqkv + 2 * at.part(p), dv.data(), tokens, 1.0f);
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class T>
void forward_head(const AttentionForward<T>& p, int64_t task) {
  using A = Acc<T>;
  const HeadOffsets at(p, task);
  const T *q = p.qkv + at.qkv, *k = q + at.part(p), *v = k + at.part(p);
  const A scale = 1 / sqrt(A(p.dim));
  Scratch<A> s(p.tokens), sums(p.dim);
  for (int i = 0; i < p.tokens; ++i) {
    A most = -std::numeric_limits<A>::infinity(), total = 0;
    for (int j = 0; j < p.tokens; ++j) {
      s[j] = scale * dot(q + i * at.qkv_pitch, k + j * at.qkv_pitch, p.dim);
      most = max(s[j], most);
    }
    std::fill_n(sums.data(), p.dim, A(0));
    for (int j = 0; j < p.tokens; ++j) {
      const A e = exp(s[j] - most);
      total += e;
      for (int d = 0; d < p.dim; ++d) sums[d] += e * A(v[j * at.qkv_pitch + d]);
    }
    for (int d = 0; d < p.dim; ++d) p.o[at.out + i * at.out_pitch + d] = T(sums[d] / total);
    if (p.lse) p.lse[task * p.tokens + i] = most + log(total);
  }
}

template <class T>
void backward_head(const AttentionBackward<T>& p, int64_t task) {
  using A = Acc<T>;
  const HeadOffsets at(p, task);
  const T *q = p.qkv + at.qkv, *k = q + at.part(p), *v = k + at.part(p);
  T *dq = p.dqkv + at.qkv, *dk = dq + at.part(p), *dv = dk + at.part(p);
  const A scale = 1 / sqrt(A(p.dim));
  const int64_t size = int64_t(p.tokens) * p.dim;
  Scratch<A> dk_sum(size), dv_sum(size), dq_sum(p.dim);
  std::fill_n(dk_sum.data(), size, A(0));
  std::fill_n(dv_sum.data(), size, A(0));
  for (int i = 0; i < p.tokens; ++i) {
    const T* dout = p.dout + at.out + i * at.out_pitch;
    const A shift = dot(dout, p.o + at.out + i * at.out_pitch, p.dim);
    std::fill_n(dq_sum.data(), p.dim, A(0));
    for (int j = 0; j < p.tokens; ++j) {
      const A logit = scale * dot(q + i * at.qkv_pitch, k + j * at.qkv_pitch, p.dim);
      const A share = exp(logit - p.lse[task * p.tokens + i]);
      const A ds = scale * share * (dot(dout, v + j * at.qkv_pitch, p.dim) - shift);
      for (int d = 0; d < p.dim; ++d) {
        dv_sum[int64_t(j) * p.dim + d] += share * A(dout[d]);
        dk_sum[int64_t(j) * p.dim + d] += ds * A(q[i * at.qkv_pitch + d]);
        dq_sum[d] += ds * A(k[j * at.qkv_pitch + d]);
      }
    }
    for (int d = 0; d < p.dim; ++d) dq[i * at.qkv_pitch + d] = T(dq_sum[d]);
  }
  for (int j = 0; j < p.tokens; ++j)
    for (int d = 0; d < p.dim; ++d) {
      dk[j * at.qkv_pitch + d] = T(dk_sum[int64_t(j) * p.dim + d]);
      dv[j * at.qkv_pitch + d] = T(dv_sum[int64_t(j) * p.dim + d]);
    }
}

}  // namespace plain

template <class T>
void run(Cpu, AttentionForward<T> p) {
  using Head = void(const AttentionForward<T>&, int64_t);
  Head* head = plain::forward_head<T>;
  if constexpr (!std::is_same_v<T, double>)
    head = for_cpu_class<Head>(plain::forward_head<T>, N_AVX2::forward_head<T>,
                               N_AVX3::forward_head<T>);
  parallel_for(int64_t(p.batch) * p.heads, 1, [&](int64_t task, int64_t) { head(p, task); });
}

template <class T>
void run(Cpu, AttentionBackward<T> p) {
  using Head = void(const AttentionBackward<T>&, int64_t);
  Head* head = plain::backward_head<T>;
  if constexpr (!std::is_same_v<T, double>)
    head = for_cpu_class<Head>(plain::backward_head<T>, N_AVX2::backward_head<T>,
                               N_AVX3::backward_head<T>);
  parallel_for(int64_t(p.batch) * p.heads, 1, [&](int64_t task, int64_t) { head(p, task); });
}

template void run(Cpu, AttentionForward<float>);
template void run(Cpu, AttentionForward<bf16>);
template void run(Cpu, AttentionForward<double>);
template void run(Cpu, AttentionBackward<float>);
template void run(Cpu, AttentionBackward<bf16>);
template void run(Cpu, AttentionBackward<double>);

}  // namespace autodidact
#endif
