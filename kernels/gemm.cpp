// GEMM: C is cut into blocks of rows and columns, one chunk of work each; a block packs its columns
// of B, kBlockK at a time, and reads A where it lies (packed to widen, to transpose and to fill up
// a last pair). A tile of rows passes under all the panels that are packed: A is read from memory
// once, the next tile's rows fetched meanwhile, and the panels stream from L2. What is copied is
// used once for each row or column of the block: blocks are as large as L2 allows, and as small as
// it takes to have chunks for all threads. A product with few blocks and a long k is split along k
// too, the parts added in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm.cpp"
#include <hwy/foreach_target.h>
#include "kernels/matrix_pack-inl.h"
#include "kernels/gemm.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"

#ifndef AUTODIDACT_KERNELS_GEMM_ONCE
#define AUTODIDACT_KERNELS_GEMM_ONCE
namespace autodidact {
namespace {
constexpr int kBlockK = 256;  // elements
constexpr int kPackRows = 8;  // of B at a time, so that its rows are read to their end
// Aim at this many chunks: of k, each of at least kSplitK; of rows, each of at least kLeastRows.
constexpr int kChunksWanted = 16, kSplitK = 512, kLeastRows = 64;

int ceil_div(int64_t a, int64_t b) { return int((a + b - 1) / b); }

// How the work is cut: by the sizes alone.
struct GemmBlocks {
  int rows, columns, splits;      // how many of each
  int block_rows, block_columns;  // their sizes
  template <class G>
  GemmBlocks(const G& g, int most_rows, int most_columns)
      : rows(ceil_div(g.m, most_rows)),
        columns(ceil_div(g.n, most_columns)),
        splits(1),
        block_columns(most_columns) {
    const int64_t of_row = int64_t(columns) * g.batch, blocks = of_row * rows;
    if (blocks < kChunksWanted / 2 && g.beta == 0)
      splits = std::max(1, std::min(ceil_div(kChunksWanted, blocks), g.k / kSplitK));
    rows = std::max(rows, std::min(ceil_div(kChunksWanted, of_row * splits), g.m / kLeastRows));
    block_rows = ceil_div(g.m, rows);
  }
};
}  // namespace
}  // namespace autodidact
#endif

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// The packed block of B, a staged one of A and the sums over blocks of k lie in L2: 2 MiB where
// there is AVX-512, 512 KiB elsewhere.
inline constexpr int kMostRows = kLanes == 16 ? 512 : 192, kMostColumns = kLanes == 16 ? 512 : 256;

// A tile of rows passes under so many panels before the next: with AVX-512 one fills L1 already,
// elsewhere it stays there.
inline constexpr int kPanelsAtOnce = kLanes == 16 ? kMostColumns / kMaxPanel : 1;

// What comes next is fetched where that was measured, and under whole panels: a narrow one has too
// few products for each line.
constexpr bool fetches(int vectors) { return kLanes == 16 && vectors == kMaxVectors; }

// Columns [first, columns) of k rows of B, as panels from `block` on.
template <class Element, class T>
void pack_columns(Element* block, const T* b, int64_t pitch, bool transposed, int first,
                  int columns, int k) {
  const int64_t depth = elements<Element>(k);
  const int step = transposed ? k : kPackRows;
  for (int i = 0; i < k; i += step)
    for (int j = first; j < columns; j += kMaxPanel) {
      const int vectors = panel_vectors(columns - j);
      pack_panel(block + depth * j + int64_t(i / kNumbers<Element>) * vectors * kLanes,
                 b + (transposed ? j * pitch + i : i * pitch + j), pitch, transposed,
                 std::min(step, k - i), std::min(vectors * kLanes, columns - j), vectors);
    }
}

// One block of C: rows [m0, m1), columns [n0, n1), over k in [k0, k1). Pointers in g are those of
// the batch element.
template <class Element, class T, class Out>
void gemm_block(const Gemm<T, Out>& g, int m0, int m1, int n0, int n1, int k0, int k1) {
  constexpr int kIn = kNumbers<Element>, kMostK = kBlockK * kIn;
  const int rows = m1 - m0, columns = n1 - n0, packed = padded_columns(columns);
  const bool whole_elements = sizeof(T) * kIn == sizeof(Element) && (k1 - k0) % kIn == 0;
  const bool staged = g.transpose_a || !whole_elements;
  // Columns before this one are packed by the first tile that multiplies them.
  const int first_packed =
      std::is_same_v<T, float> && !g.transpose_b ? columns / kMaxPanel * kMaxPanel : 0;
  const int blocks = std::max(1, ceil_div(k1 - k0, kMostK));
  const int block_depth = elements<Element>(std::min(kMostK, k1 - k0));
  const int a_pitch = (block_depth + 7) / 8 * 8;
  Scratch<Element> b_block(int64_t(block_depth) * packed);
  Scratch<Element> a_block(staged ? int64_t(rows) * a_pitch : 0);
  Scratch<float> partial(blocks > 1 ? int64_t(rows) * packed : 0);

  for (int block = 0; block < blocks; ++block) {
    const int begin = k0 + block * kMostK, k = std::min(kMostK, k1 - begin), end = begin + k;
    const int depth = elements<Element>(k);
    const T* b = g.b + (g.transpose_b ? n0 * g.ldb + begin : begin * g.ldb + n0);
    pack_columns(b_block.data(), b, g.ldb, g.transpose_b, first_packed, columns, k);
    const T* a = g.a + (g.transpose_a ? begin * g.lda + m0 : m0 * g.lda + begin);
    if (staged) pack_rows(a_block.data(), a_pitch, a, g.lda, g.transpose_a, rows, k);
    auto bytes = [](int64_t count) { return count * int64_t(sizeof(T)); };
    const int next_k = std::min(kMostK, k1 - end);
    Ahead next_block = g.transpose_b ? Ahead(b + k, bytes(g.ldb), bytes(next_k), columns)
                                     : Ahead(b + k * g.ldb, bytes(g.ldb), bytes(columns), next_k);

    const Segment whole{0, depth};
    for (int j0 = 0, j1; j0 < columns; j0 = j1) {
      j1 = std::min(j0 + kPanelsAtOnce * kMaxPanel, columns);
      if (columns - j0 > kMaxPanel) j1 = std::min(j1, columns / kMaxPanel * kMaxPanel);
      const int vectors = panel_vectors(j1 - j0);  // of each panel of these
      const RowTiles tiles(rows, vectors);
      for (int tile = 0; tile < tiles.count; ++tile) {
        const int i0 = tiles.begin(tile), i1 = tiles.begin(tile + 1);
        Ahead next_rows;
        if (!staged && j0 == 0)
          next_rows =
              Ahead(a + i1 * g.lda, bytes(g.lda), bytes(k), std::min(rows, 2 * i1 - i0) - i1);
        RowsTile<Out, Element> t;
        t.segments = &whole, t.segment_count = 1;
        t.first = block == 0, t.last = block + 1 == blocks;
        t.relu = g.relu, t.beta = g.beta, t.alpha = g.alpha;
        for (int i = i0; i < i1; ++i)
          t.a[i - i0] = staged ? a_block.data() + int64_t(i) * a_pitch
                               : reinterpret_cast<const Element*>(a + i * g.lda);
        for (int j = j0; j < j1; j += kMaxPanel) {
          Element* panel = b_block.data() + int64_t(depth) * j;
          t.b = panel;
          t.bias = g.bias ? g.bias + n0 + j : nullptr;
          t.columns = std::min(vectors * kLanes, columns - j);
          for (int i = i0; i < i1; ++i) t.c[i - i0] = g.c + (m0 + i) * g.ldc + n0 + j;
          t.partial = partial.data() + int64_t(rows) * j + int64_t(i0) * vectors * kLanes;
          if (fetches(vectors)) t.ahead = next_rows.empty() ? &next_block : &next_rows;
          Unpacked unpacked;
          if constexpr (std::is_same_v<T, float>)
            if (tile == 0 && j < first_packed)
              unpacked = {b + j, g.ldb, panel}, t.unpacked = &unpacked;
          multiply_rows(i1 - i0, vectors, t);
          t.unpacked = nullptr;
        }
      }
    }
  }
}

template <class Element, class T, class Out>
void gemm_of(const Gemm<T, Out>& g) {
  const GemmBlocks blocks(g, kMostRows, kMostColumns);
  if (blocks.splits == 1) {
    parallel_for(int64_t(g.batch) * blocks.rows * blocks.columns, 1,
                 [&](int64_t chunk, int64_t) HWY_ATTR {
                   int64_t column = chunk % blocks.columns, row = chunk / blocks.columns;
                   int64_t element = row / blocks.rows;
                   int m0 = int(row % blocks.rows) * blocks.block_rows;
                   int n0 = int(column) * blocks.block_columns;
                   Gemm<T, Out> one = g;
                   one.a += element * g.stride_a;
                   one.b += element * g.stride_b;
                   one.c += element * g.stride_c;
                   gemm_block<Element>(one, m0, std::min(m0 + blocks.block_rows, g.m), n0,
                                       std::min(n0 + blocks.block_columns, g.n), 0, g.k);
                 });
    return;
  }
  // parts: [batch, splits, m, n], each the product over its share of k
  const int64_t size = int64_t(g.m) * g.n;
  Scratch<float> parts(size * g.batch * blocks.splits);
  parallel_for(int64_t(g.batch) * blocks.splits * blocks.rows * blocks.columns, 1,
               [&](int64_t chunk, int64_t) HWY_ATTR {
                 int64_t column = chunk % blocks.columns, rest = chunk / blocks.columns;
                 int64_t row = rest % blocks.rows, part = rest / blocks.rows;
                 int64_t split = part % blocks.splits, element = part / blocks.splits;
                 int m0 = int(row) * blocks.block_rows, n0 = int(column) * blocks.block_columns;
                 Gemm<T, float> one{.c = parts.data() + part * size,
                                    .a = g.a + element * g.stride_a,
                                    .b = g.b + element * g.stride_b,
                                    .m = g.m,
                                    .n = g.n,
                                    .k = g.k,
                                    .lda = g.lda,
                                    .ldb = g.ldb,
                                    .ldc = g.n,
                                    .transpose_a = g.transpose_a,
                                    .transpose_b = g.transpose_b,
                                    .alpha = g.alpha};
                 gemm_block<Element>(one, m0, std::min(m0 + blocks.block_rows, g.m), n0,
                                     std::min(n0 + blocks.block_columns, g.n),
                                     int(g.k * split / blocks.splits),
                                     int(g.k * (split + 1) / blocks.splits));
               });
  parallel_for(int64_t(g.batch) * g.m, 16, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t element = i / g.m, row = i % g.m;
      const float* part = parts.data() + (element * blocks.splits * g.m + row) * g.n;
      Out* c = g.c + element * g.stride_c + row * g.ldc;
      for (int j = 0; j < g.n; ++j) {
        float sum = part[j];
        for (int s = 1; s < blocks.splits; ++s) sum += part[s * size + j];
        if (g.bias) sum += g.bias[j];
        c[j] = Out(g.relu && sum < 0 ? 0.0f : sum);
      }
    }
  });
}

template <class T, class Out>
void gemm(const Gemm<T, Out>& g) {
  with_element<T>([&]<class Element>() HWY_ATTR { gemm_of<Element>(g); });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {

template <class T, class Out>
void gemm_plain(const Gemm<T, Out>& g) {
  using A = Acc<T>;
  parallel_for(int64_t(g.batch) * g.m, 8, [&](int64_t begin, int64_t end) {
    Scratch<A> sums(g.n);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t element = i / g.m, row = i % g.m;
      // Offsets, not pointers: with k = 0 the operands may have no memory to point into.
      const int64_t a = element * g.stride_a + (g.transpose_a ? row : row * g.lda);
      const int64_t b = element * g.stride_b;
      const int64_t a_step = g.transpose_a ? g.lda : 1;
      for (int j = 0; j < g.n; ++j) sums[j] = 0;
      if (g.transpose_b) {
        for (int j = 0; j < g.n; ++j)
          for (int k = 0; k < g.k; ++k)
            sums[j] += A(g.a[a + k * a_step]) * A(g.b[b + j * g.ldb + k]);
      } else {
        for (int k = 0; k < g.k; ++k)
          for (int j = 0; j < g.n; ++j)
            sums[j] += A(g.a[a + k * a_step]) * A(g.b[b + k * g.ldb + j]);
      }
      Out* c = g.c + element * g.stride_c + row * g.ldc;
      for (int j = 0; j < g.n; ++j) {
        A sum = g.alpha * sums[j];
        if (g.beta != 0) sum += g.beta * A(c[j]);
        if (g.bias) sum += g.bias[j];
        c[j] = Out(g.relu && sum < 0 ? A(0) : sum);
      }
    }
  });
}

template <class T, class Out>
void run(Cpu, Gemm<T, Out> g) {
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  if constexpr (std::is_same_v<T, double>) {
    gemm_plain(g);
  } else if (g.k == 0) {
    gemm_plain(g);  // the sum over nothing: only the epilogue is left
  } else {
    for_cpu_class(&gemm_plain<T, Out>, &N_AVX2::gemm<T, Out>, &N_AVX3::gemm<T, Out>)(g);
  }
}

template void run(Cpu, Gemm<float>);
template void run(Cpu, Gemm<bf16>);
template void run(Cpu, Gemm<bf16, float>);
template void run(Cpu, Gemm<double>);

}  // namespace autodidact
#endif
