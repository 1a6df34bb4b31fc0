// NT-Xent (SimCLR, Chen et al. 2020, equation 1): each row's positive is its other view, all other
// rows are its negatives. Rows i and i + pairs are views of one picture.
//   l_ij = z_i.z_j / t;  lse_i = log sum_{j != i} exp(l_ij);  loss = mean over rows of
//   lse_i - l_i,pos(i);
//   dz_i = (sum_{j != i} (p_ij + p_ji) z_j - 2 z_pos(i)) / (t rows),  p_ij = exp(l_ij - lse_i).
// dz makes the logits a second time, since it needs every row's lse. On the CPU they exist for a
// block of rows at a time, on CUDA for a tile in shared memory, never all of them. Blocks and tiles
// depend on the sizes alone. CUDA's workspace: at most 12 MiB for parts of dz, and beside them 200
// KiB and 24 bytes a row.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// An output that is null is not wanted.
template <class T>
struct NtXent {
  Acc<T>* loss;   // [1], the mean over all rows: of both directions
  int32_t* rank;  // [2 pairs], how many have a logit above the positive's: 0 is a hit
  Acc<T>* dz;     // [2 pairs, dim], of the mean
  const T* z;     // [2 pairs, dim]
  int pairs, dim;
  float temperature;
};

template <class T>
void run(Cpu, NtXent<T>);  // T: float, bf16, double
template <class T>
void run(Cuda, NtXent<T>);  // needs a workspace

}  // namespace autodidact
