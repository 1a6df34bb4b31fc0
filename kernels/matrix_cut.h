// Matrix products on CUDA, part 3 of 3: how a product is cut into blocks. A block makes one tile of
// C over one part of k. The sizes alone decide, because the order of the sums follows from it; the
// parts of k are added in order by a second launch.
#pragma once
#include <algorithm>
#include <initializer_list>
#include "kernels/matrix_panel.h"

namespace autodidact {

// Of an H100 or H200. Large tiles where each has one to do; parts of k until each has two blocks.
inline constexpr int64_t kMultiprocessors = 132;
inline constexpr int kLeastDepth = 512;                  // of a part of k
inline constexpr int64_t kMostParts = int64_t(2) << 20;  // floats of all parts: 8 MiB of workspace

struct Cut {
  bool large;         // LargeTile or SmallTile
  int rows, columns;  // tiles of one matrix
  int splits, depth;  // parts of k and how long one is
  unsigned blocks;
};

inline int64_t tiles_of(int64_t size, int tile) { return (size + tile - 1) / tile; }

template <class Shape>
Cut cut_into(bool large, int64_t m, int64_t n, int k, int batch, bool may_split) {
  const int64_t rows = tiles_of(m, Shape::kM), columns = tiles_of(n, Shape::kN);
  int64_t splits = 1;
  if (may_split)
    splits =
        std::max<int64_t>(1, std::min({2 * kMultiprocessors / (rows * columns * batch),
                                       int64_t(k / kLeastDepth), kMostParts / (m * n * batch)}));
  // Whole panels, so that every part begins as well aligned as the operand.
  const int64_t depth = tiles_of(tiles_of(k, int(splits)), Shape::kK) * Shape::kK;
  if (k > 0) splits = tiles_of(k, int(depth));
  return {large,       int(rows),  int(columns),
          int(splits), int(depth), unsigned(rows * columns * splits * batch)};
}

template <class T>
Cut choose_cut(int64_t m, int64_t n, int k, int batch, bool may_split) {
  using Large = LargeTile<T>;
  using Small = SmallTile<T>;
  const int64_t large = tiles_of(m, Large::kM) * tiles_of(n, Large::kN) * batch;
  if (large >= kMultiprocessors && m > Small::kM && n > Small::kN)
    return cut_into<Large>(true, m, n, k, batch, may_split);
  return cut_into<Small>(false, m, n, k, batch, may_split);
}

// Which part a block makes.
struct PartOfBlock {
  int row, column;  // tiles
  int split, element;
  __device__ explicit PartOfBlock(const Cut& cut) {
    unsigned b = blockIdx.x;
    column = int(b % unsigned(cut.columns)), b /= unsigned(cut.columns);
    row = int(b % unsigned(cut.rows)), b /= unsigned(cut.rows);
    split = int(b % unsigned(cut.splits)), element = int(b / unsigned(cut.splits));
  }
};

// Whether an operand can be read 16 bytes at a time: where it begins, and all distances in it.
template <class T>
bool packs(const T* p, std::initializer_list<int64_t> distances) {
  bool whole = reinterpret_cast<uintptr_t>(p) % 16 == 0;
  for (int64_t d : distances) whole = whole && d % int64_t(16 / sizeof(T)) == 0;
  return whole;
}

}  // namespace autodidact
