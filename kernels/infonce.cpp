// A task is kTileQueries queries against a run of the queue, a block of keys at a time. For each
// panel of queries (infonce_block-inl.h) a block's logits, exponentials and weighted sum follow
// each other while they are in the first two levels of cache; a number of the queue is read from
// memory once for kTileQueries queries. The runs' sums are added in order at the end.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/infonce.cpp"
#include <hwy/foreach_target.h>
#include "kernels/infonce_block-inl.h"
#include <limits>
#include "kernels/cpu_class.h"
#include "kernels/infonce_row.h"
#include "kernels/parallel.h"

#ifndef AUTODIDACT_KERNELS_INFONCE_ONCE
#define AUTODIDACT_KERNELS_INFONCE_ONCE
namespace autodidact {
namespace {

constexpr int kTileQueries = 256;
constexpr int kTasksWanted = 16;
constexpr double kLn2 = 0.693147180559945309417, kLog2E = 1 / kLn2;

// How the work is cut: by the sizes alone.
struct QueueRuns {
  int block, blocks, tiles, runs;  // keys of a block; blocks of the queue; tiles of queries
  QueueRuns(int batch, int keys, int block_keys)
      : block(block_keys),
        blocks((keys + block - 1) / block),
        tiles((batch + kTileQueries - 1) / kTileQueries),
        runs(std::min(blocks, std::max(1, kTasksWanted / tiles))) {}
  int first_block(int run) const { return int(int64_t(blocks) * run / runs); }
};

// weighted: [runs][dim], `pitch` numbers apart, each run's sum over keys of exp(l - max) key; not
// read without dq.
template <class T>
void finish_row(const InfoNce<T>& p, int row, Acc<T> positive, const RunSums<Acc<T>>& runs,
                const Acc<T>* weighted, int64_t pitch, Acc<T>* row_loss) {
  using A = Acc<T>;
  const RowEnd end = end_of_row(positive, runs, p.keys, p.temperature, p.unit, p.k_in_queue);
  *row_loss = A(end.loss);
  if (p.lse) p.lse[row] = A(end.loss + double(positive));
  if (p.rank) p.rank[row] = end.rank;
  if (!p.dq) return;
  A* dq = p.dq + int64_t(row) * p.dim;
  const T* k = p.k + int64_t(row) * p.dim;
  const A positive_weight = A(of_key(end, p.temperature, p.batch));
  for (int d = 0; d < p.dim; ++d) dq[d] = positive_weight * A(k[d]);
  for (int r = 0; r < runs.runs; ++r) {
    const A weight = A(of_run(end, double(runs.max[r * runs.stride]), p.temperature, p.batch));
    for (int d = 0; d < p.dim; ++d) dq[d] += weight * weighted[r * pitch + d];
  }
}
}  // namespace
}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// Keys of a block: in whole tiles, the staged block in L2, a panel's exponentials in L1.
inline int block_keys(int dim) {
  constexpr int kMostKeys = kLanes == 16 ? 96 : 192, kFloats = 48 << 10;
  return std::clamp(kFloats / dim / 12 * 12, 12, kMostKeys);
}

// What the tasks share and write.   padded: padded_columns(batch)
template <class T>
struct InfoNceWork {
  const InfoNce<T>& p;
  QueueRuns cut;
  float* queries;   // packed, panel after panel: [padded, dim]
  float* positive;  // [padded]
  float* sum;       // [runs, padded], as max and rank
  float* max;
  int32_t* rank;
  float* weighted;  // [runs, batch, padded_columns(dim)]
  int padded;

  const float* panel(int row) const { return queries + int64_t(row) * p.dim; }
};

// One panel of queries, from `row` on: packed, and their positives as they would come out of a
// block of keys, to the last bit.
template <class T>
void prepare_panel(const InfoNceWork<T>& w, int row) {
  const InfoNce<T>& p = w.p;
  const int vectors = panel_vectors(p.batch - row), width = vectors * kLanes;
  const int rows = std::min(width, p.batch - row);
  float* queries = w.queries + int64_t(row) * p.dim;
  pack_panel(queries, p.q + int64_t(row) * p.dim, p.dim, true, p.dim, rows, vectors,
             float(kLog2E / double(p.temperature)));
  Scratch<float> keys(staged_floats(rows, p.dim)), s(int64_t(rows) * width);
  stage_keys(keys.data(), p.k + int64_t(row) * p.dim, rows, p.dim);
  logits(s.data(), queries, vectors, keys.data(), rows, p.dim, [](int, int) {});
  for (int r = 0; r < width; ++r) w.positive[row + r] = r < rows ? s[r * width + r] : 0.0f;
}

template <class T>
void run_task(const InfoNceWork<T>& w, int tile, int run) {
  const InfoNce<T>& p = w.p;
  const bool follow = !needs_no_maximum(p.temperature, p.unit);
  const int first = tile * kTileQueries, last = std::min(first + kTileQueries, p.batch);
  const int64_t pitch = padded_columns(p.dim), at_run = int64_t(run) * w.padded;
  const int lanes = padded_columns(last - first);
  std::fill_n(w.sum + at_run + first, lanes, 0.0f);
  std::fill_n(w.rank + at_run + first, lanes, 0);
  std::fill_n(w.max + at_run + first, lanes,
              follow ? -std::numeric_limits<float>::infinity() : 0.0f);
  float* weighted = w.weighted + int64_t(run) * p.batch * pitch;
  if (p.dq) std::fill_n(weighted + first * pitch, (last - first) * pitch, 0.0f);

  Scratch<float> keys(staged_floats(w.cut.block, p.dim)), s(int64_t(w.cut.block) * kMaxPanel);
  HWY_ALIGN float factor[kMaxPanel], block_sum[kMaxPanel];
  for (int block = w.cut.first_block(run); block < w.cut.first_block(run + 1); ++block) {
    const int64_t key = int64_t(block) * w.cut.block;
    const int count = int(std::min<int64_t>(w.cut.block, p.keys - key));
    stage_keys(keys.data(), p.queue + key * p.dim, count, p.dim);
    const T* next = p.queue + (key + count) * p.dim;  // of the run, or of the next one
    const int64_t next_bytes =
        std::min<int64_t>(w.cut.block, p.keys - key - count) * p.dim * int64_t(sizeof(T));
    const int shares =
        int(chunk_count(last - first, kMaxPanel)) * RowTiles(count, kMaxVectors).count;
    int share = 0;
    for (int row = first; row < last; row += kMaxPanel) {
      const int vectors = panel_vectors(last - row);
      const QueryState state{w.sum + at_run + row,  w.max + at_run + row, factor, block_sum,
                             w.rank + at_run + row, w.positive + row};
      if (!follow) begin_block<false>(s.data(), count, vectors, state);
      logits(s.data(), w.panel(row), vectors, keys.data(), count, p.dim,
             [&](int i0, int i1) HWY_ATTR {
               prefetch_share(next, next_bytes, share++, shares);
               if (!follow)
                 powers<false>(s.data() + i0 * vectors * kLanes, i1 - i0, vectors, state);
             });
      if (follow) {
        begin_block<true>(s.data(), count, vectors, state);
        powers<true>(s.data(), count, vectors, state);
      }
      end_block(vectors, state);
      if (p.dq)
        add_weighted_keys(weighted + row * pitch, factor, s.data(), vectors,
                          std::min(vectors * kLanes, last - row), keys.data(), count, p.dim);
    }
  }
}

template <class T>
void infonce(const InfoNce<T>& p, float* row_loss) {
  const int padded = padded_columns(p.batch), pitch = padded_columns(p.dim);
  const QueueRuns cut(p.batch, p.keys, block_keys(p.dim));
  Scratch<float> queries(int64_t(padded) * p.dim), positive(padded);
  Scratch<float> sum(int64_t(cut.runs) * padded), max(int64_t(cut.runs) * padded);
  Scratch<int32_t> rank(int64_t(cut.runs) * padded);
  Scratch<float> weighted(p.dq ? int64_t(cut.runs) * p.batch * pitch : 0);
  const InfoNceWork<T> w{p,          cut,         queries.data(),  positive.data(), sum.data(),
                         max.data(), rank.data(), weighted.data(), padded};
  parallel_for(chunk_count(p.batch, kMaxPanel), 1,
               [&](int64_t panel, int64_t) HWY_ATTR { prepare_panel(w, int(panel) * kMaxPanel); });
  parallel_for(int64_t(cut.tiles) * cut.runs, 1, [&](int64_t task, int64_t) HWY_ATTR {
    run_task(w, int(task / cut.runs), int(task % cut.runs));
  });
  // Powers of 2 end here: what is left is in base e.
  for (int i = 0; i < padded; ++i) positive[i] *= float(kLn2);
  for (int64_t i = 0; i < int64_t(cut.runs) * padded; ++i) max[i] *= float(kLn2);
  parallel_for(p.batch, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      finish_row(
          p, int(row), positive[row],
          RunSums<float>{sum.data() + row, max.data() + row, rank.data() + row, padded, cut.runs},
          weighted.data() + row * pitch, int64_t(p.batch) * pitch, row_loss + row);
  });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {

// A row at a time, its logits a block of keys at a time.
template <class T>
void infonce_plain(const InfoNce<T>& p, Acc<T>* row_loss) {
  using A = Acc<T>;
  constexpr int kBlock = 128;
  const A scale = 1 / A(p.temperature);
  parallel_for(p.batch, 1, [&](int64_t row, int64_t) {
    const T* q = p.q + row * p.dim;
    auto logit = [&](const T* key) {
      A dot = 0;
      for (int d = 0; d < p.dim; ++d) dot += A(q[d]) * A(key[d]);
      return dot * scale;
    };
    Scratch<A> weighted(p.dim), of_block(p.dim);
    std::fill_n(weighted.data(), p.dim, A(0));
    const A positive = logit(p.k + row * p.dim);
    A sum = 0, top = -std::numeric_limits<A>::infinity(), l[kBlock];
    int32_t rank = 0;
    for (int64_t key = 0; key < p.keys; key += kBlock) {
      const int count = int(std::min<int64_t>(kBlock, p.keys - key));
      const T* keys = p.queue + key * p.dim;
      const A before = top;
      for (int j = 0; j < count; ++j) {
        l[j] = logit(keys + int64_t(j) * p.dim);
        rank += l[j] > positive;
        top = std::max(top, l[j]);
      }
      A block_sum = 0;
      std::fill_n(of_block.data(), p.dim, A(0));
      for (int j = 0; j < count; ++j) {
        const A e = exp(l[j] - top);
        block_sum += e;
        if (p.dq)
          for (int d = 0; d < p.dim; ++d) of_block[d] += e * A(keys[int64_t(j) * p.dim + d]);
      }
      const A factor = exp(before - top);
      sum = factor * sum + block_sum;
      if (p.dq)
        for (int d = 0; d < p.dim; ++d) weighted[d] = factor * weighted[d] + of_block[d];
    }
    finish_row(p, int(row), positive, RunSums<A>{&sum, &top, &rank, 0, 1}, weighted.data(), 0,
               row_loss + row);
  });
}

template <class T>
void run(Cpu, InfoNce<T> p) {
  using A = Acc<T>;
  Scratch<A> scratch(p.row_loss ? 0 : p.batch);
  A* row_loss = p.row_loss ? p.row_loss : scratch.data();
  if constexpr (std::is_same_v<T, double>) infonce_plain(p, row_loss);
  else for_cpu_class(&infonce_plain<T>, &N_AVX2::infonce<T>, &N_AVX3::infonce<T>)(p, row_loss);
  if (!p.loss) return;
  double total = 0;
  for (int row = 0; row < p.batch; ++row) total += double(row_loss[row]);
  *p.loss = A(total / p.batch);
}

// Moved as it is; one body for every class.
template <class T>
void run(Cpu, Enqueue<T> p) {
  const int skipped = std::max(0, p.batch - p.keys);
  const int first = int((int64_t(*p.next) + skipped) % p.keys);
  const int count = p.batch - skipped, to_end = std::min(count, p.keys - first);
  const T* rows = p.rows + int64_t(skipped) * p.dim;
  std::copy_n(rows, int64_t(to_end) * p.dim, p.queue + int64_t(first) * p.dim);
  std::copy_n(rows + int64_t(to_end) * p.dim, int64_t(count - to_end) * p.dim, p.queue);
  *p.next = int32_t((int64_t(*p.next) + p.batch) % p.keys);
}

#define INSTANCES(T)                  \
  template void run(Cpu, InfoNce<T>); \
  template void run(Cpu, Enqueue<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
#endif
