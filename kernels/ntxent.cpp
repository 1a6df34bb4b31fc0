// NT-Xent on the CPU out of kernels that are there: two matrix products and an exponential for each
// block of rows.
#include "kernels/ntxent.h"
#include <algorithm>
#include <type_traits>
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"

namespace autodidact {
namespace {

constexpr int kRows = 64;  // of logits at a time

// What both passes read.
template <class A>
struct Batch {
  const A* z;  // [rows, dim]
  int rows, dim;
  A scale;  // 1 / t
  int positive_of(int64_t row) const {
    const int pairs = rows / 2;
    return int(row < pairs ? row + pairs : row - pairs);
  }
  // The logits of rows [begin, end): [end - begin, rows].
  void logits(A* l, int64_t begin, int64_t end) const {
    run(Cpu{}, Gemm<A>{.c = l,
                       .a = z + begin * dim,
                       .b = z,
                       .m = int(end - begin),
                       .n = rows,
                       .k = dim,
                       .lda = dim,
                       .ldb = dim,
                       .ldc = rows,
                       .transpose_b = true,
                       .alpha = scale});
  }
};

// Sixteen sums side by side: a fixed order that compilers turn into vectors.
template <class A>
A sum_of(const A* x, int n) {
  constexpr int kLanes = 16;
  A sums[kLanes] = {}, total = 0;
  int i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l) sums[l] += x[i + l];
  for (int l = 0; i + l < n; ++l) sums[l] += x[i + l];
  for (A s : sums) total += s;
  return total;
}

template <class A>
void exponentials(A* x, int64_t n) {
  run(Cpu{}, UnaryForward<Exp, A>{x, x, n});
}

// lse and loss of every row, and where its positive stands among the others.
template <class A>
void measure(const Batch<A>& batch, A* lse, A* loss, int32_t* rank) {
  const int rows = batch.rows;
  parallel_for(rows, kRows, [&](int64_t begin, int64_t end) {
    Scratch<A> tile((end - begin) * rows), positive(end - begin), top(end - begin);
    batch.logits(tile.data(), begin, end);
    for (int64_t r = begin; r < end; ++r) {
      A* l = tile.data() + (r - begin) * rows;
      const A own = positive[r - begin] = l[batch.positive_of(r)];
      l[r] = -std::numeric_limits<A>::infinity();
      if (rank)
        rank[r] = int32_t(std::count_if(l, l + rows, [own](A other) { return other > own; }));
      const A most = top[r - begin] = *std::max_element(l, l + rows);
      for (int j = 0; j < rows; ++j) l[j] -= most;
    }
    exponentials(tile.data(), (end - begin) * rows);
    for (int64_t r = begin; r < end; ++r) {
      const A log_sum = log(sum_of(tile.data() + (r - begin) * rows, rows));
      loss[r] = log_sum + (top[r - begin] - positive[r - begin]);
      lse[r] = log_sum + top[r - begin];
    }
  });
}

template <class A>
void differentiate(const Batch<A>& batch, A* dz, const A* lse) {
  const int rows = batch.rows;
  parallel_for(rows, kRows, [&](int64_t begin, int64_t end) {
    const int64_t count = (end - begin) * rows;
    Scratch<A> own(count), others(count);  // p_ij and p_ji
    batch.logits(own.data(), begin, end);
    for (int64_t r = begin; r < end; ++r) {
      A *l = own.data() + (r - begin) * rows, *o = others.data() + (r - begin) * rows;
      for (int j = 0; j < rows; ++j) o[j] = l[j] - lse[j], l[j] -= lse[r];
    }
    exponentials(own.data(), count), exponentials(others.data(), count);
    for (int64_t i = 0; i < count; ++i) own[i] += others[i];
    for (int64_t r = begin; r < end; ++r) {
      A* weight = own.data() + (r - begin) * rows;
      weight[r] = 0;
      weight[batch.positive_of(r)] -= 2;
    }
    run(Cpu{}, Gemm<A>{.c = dz + begin * batch.dim,
                       .a = own.data(),
                       .b = batch.z,
                       .m = int(end - begin),
                       .n = batch.dim,
                       .k = rows,
                       .lda = rows,
                       .ldb = batch.dim,
                       .ldc = batch.dim,
                       .alpha = batch.scale / A(rows)});
  });
}

}  // namespace

template <class T>
void run(Cpu, NtXent<T> p) {
  using A = Acc<T>;
  const int rows = 2 * p.pairs;
  const int64_t numbers = int64_t(rows) * p.dim;
  Scratch<A> wide(std::is_same_v<T, A> ? 0 : numbers), lse(rows), loss(rows);
  Batch<A> batch{nullptr, rows, p.dim, 1 / A(p.temperature)};
  if constexpr (std::is_same_v<T, A>) batch.z = p.z;
  else run(Cpu{}, Cast<A, T>{wide.data(), p.z, numbers}), batch.z = wide.data();
  measure(batch, lse.data(), loss.data(), p.rank);
  if (p.loss) {
    double total = 0;
    for (int r = 0; r < rows; ++r) total += double(loss[r]);
    *p.loss = A(total / rows);
  }
  if (p.dz) differentiate(batch, p.dz, lse.data());
}

template void run(Cpu, NtXent<float>);
template void run(Cpu, NtXent<bf16>);
template void run(Cpu, NtXent<double>);

}  // namespace autodidact
