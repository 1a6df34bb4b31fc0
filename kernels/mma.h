// Products of small matrices by the tensor cores (sm_80 on), and how a warp loads what they take.
// Device code only. All 32 lanes make these calls together. Which elements a lane holds is the PTX
// ISA's ("Matrix Fragments for mma.m16n8k16 with floating point type"), with g = lane / 4 and
// t = lane % 4; a register has two bf16, the one of the smaller column (b: row) in its lower half:
//   A [16, 16]   a[0]: row g,     columns 2t, 2t + 1       a[2]: row g,     columns 2t + 8, 2t + 9
//                a[1]: row g + 8, columns 2t, 2t + 1       a[3]: row g + 8, columns 2t + 8, 2t + 9
//   B [16, 8]    b[0]: rows 2t, 2t + 1, column g           b[1]: rows 2t + 8, 2t + 9, column g
//   C [16, 8]    c[0], c[1]: row g, columns 2t, 2t + 1     c[2], c[3]: row g + 8
// The emulator's twin exchanges exactly these registers (tests/emulator/matrices.cpp).
#pragma once
#include "kernels/platform.h"

namespace autodidact {

// C += A B, in float.
__device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1) {
#if defined(EMULATE_CUDA)
  emulator::mma_m16n8k16_bf16(c, a, b0, b1);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// Four 8 x 8 matrices of 2-byte elements from shared memory (ldmatrix): lane l gives the address
// of row l % 8 of matrix l / 8, 16 bytes aligned to 16. r[i] of a lane: row g, columns 2t, 2t + 1
// of matrix i; transposed: rows 2t, 2t + 1, column g.
template <bool kTransposed>
__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], const void* row) {
#if defined(EMULATE_CUDA)
  emulator::load_matrices(r, row, kTransposed);
#else
  unsigned address = unsigned(__cvta_generic_to_shared(row));
  if constexpr (kTransposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
#endif
}

}  // namespace autodidact
