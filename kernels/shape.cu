// Moves on CUDA. A transpose goes through a tile in shared memory, so that both sides are read and
// written in packs; blocks of columns are walked as they lie in memory.
#include "kernels/columns.h"
#include "kernels/shape.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256, kMostBlocks = 2048;

// Side of a tile: eight packs, or a warp of single elements. The odd row of words keeps the lanes
// that read a column in different banks.
template <int N>
inline constexpr int kSide = N == 1 ? 32 : 8 * N;
template <int N, class T>
struct TransposeTile {
  T v[kSide<N>][kSide<N> + int(4 / sizeof(T))];
};

// blockIdx.x: tile of columns; y: tile of rows; z: batch.
template <int N, class T>
__global__ void transpose_kernel(Transpose<T> p) {
  auto& tile = shared<TransposeTile<N, T>>();
  constexpr int kAcross = kSide<N> / N;  // packs of a tile's row
  int row = int(blockIdx.y) * kSide<N>, col = int(blockIdx.x) * kSide<N>;
  for (int64_t b = blockIdx.z; b < p.batch; b += gridDim.z) {
    const T* x = p.x + b * p.rows * p.cols;
    T* y = p.y + b * p.rows * p.cols;
    __syncthreads();  // the tile of the batch before may still be read
    for (int i = int(threadIdx.x); i < kSide<N> * kAcross; i += kThreads) {
      int r = i / kAcross, c = i % kAcross * N;
      if (row + r >= p.rows || col + c >= p.cols) continue;
      auto v = load<N>(x + int64_t(row + r) * p.cols + col + c);
      for (int j = 0; j < N; ++j) tile.v[r][c + j] = v.v[j];
    }
    __syncthreads();
    for (int i = int(threadIdx.x); i < kSide<N> * kAcross; i += kThreads) {
      int c = i / kAcross, r = i % kAcross * N;
      if (row + r >= p.rows || col + c >= p.cols) continue;
      Pack<N, T> v;
      for (int j = 0; j < N; ++j) v.v[j] = tile.v[r + j][c];
      store(y + int64_t(col + c) * p.rows + row + r, v);
    }
  }
}

template <int N, class T>
__global__ void copy_columns_kernel(CopyColumns<T> p, ColumnChunks chunks) {
  ColumnWalk w = column_walk<N>(chunks);
  for (int64_t r = w.first; r < w.end; r += w.step)
    store(p.y + r * p.y_stride + w.col, load<N>(p.x + r * p.x_stride + w.col));
}

template <int N, class T>
__global__ void pad_columns_kernel(PadColumns<T> p, ColumnChunks chunks) {
  ColumnWalk w = column_walk<N>(chunks);
  int from = w.col - p.before;
  bool has = from >= 0 && from < p.x_cols;
  for (int64_t r = w.first; r < w.end; r += w.step)
    store(p.y + r * p.y_cols + w.col,
          has ? load<N>(p.x + r * p.x_cols + from) : repeated<N>(T(0.0f)));
}

}  // namespace

template <class T>
void run(Cuda queue, Transpose<T> p) {
  constexpr int N = kPack<T>;
  if (p.batch == 0 || p.rows == 0 || p.cols == 0) return;
  bool packs = aligned(p.y, p.x) && p.rows % N == 0 && p.cols % N == 0;
  choose_pack<N>(packs, [&](auto pack) {
    constexpr int kTile = kSide<pack()>;
    dim3 grid(unsigned(div_up(p.cols, kTile)), unsigned(div_up(p.rows, kTile)),
              unsigned(std::min<int64_t>(p.batch, 65535)));
    launch(queue, grid, kThreads, sizeof(TransposeTile<pack(), T>), transpose_kernel<pack(), T>, p);
  });
}

template <class T>
void run(Cuda queue, CopyColumns<T> p) {
  constexpr int N = kPack<T>;
  if (p.rows == 0 || p.cols == 0) return;
  bool packs = aligned(p.y, p.x) && p.cols % N == 0 && p.y_stride % N == 0 && p.x_stride % N == 0;
  choose_pack<N>(packs, [&](auto pack) {
    auto chunks = column_chunks(p.rows, p.cols, 1, pack(), kMostBlocks);
    launch(queue, chunks.grid, chunks.block, 0, copy_columns_kernel<pack(), T>, p, chunks);
  });
}

template <class T>
void run(Cuda queue, PadColumns<T> p) {
  constexpr int N = kPack<T>;
  if (p.rows == 0 || p.y_cols == 0) return;
  bool packs = aligned(p.y, p.x) && p.y_cols % N == 0 && p.x_cols % N == 0 && p.before % N == 0;
  choose_pack<N>(packs, [&](auto pack) {
    auto chunks = column_chunks(p.rows, p.y_cols, 1, pack(), kMostBlocks);
    launch(queue, chunks.grid, chunks.block, 0, pad_columns_kernel<pack(), T>, p, chunks);
  });
}

#define INSTANCES(T)                       \
  template void run(Cuda, Transpose<T>);   \
  template void run(Cuda, CopyColumns<T>); \
  template void run(Cuda, PadColumns<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
