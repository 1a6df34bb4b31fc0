// Tensor cores: mma.sync and ldmatrix, which exchange registers between the lanes of a warp. What
// each lane holds is written out from the PTX ISA and not taken from the kernels.
#include <cstring>
#include "machine.h"
#include "shadow.h"
#include "source_line.h"

namespace emulator {

namespace {

struct MmaOperands {  // of one lane
  void* code;
  float* c;
  const uint32_t *a, *b;
};
struct MatrixRows {
  void* code;
  uint32_t* r;
  const void* row;
  bool transposed;
};

float element(uint32_t two, int which) {  // a bf16 is the upper half of a float
  uint32_t bits = which == 0 ? two << 16 : two & 0xffff0000u;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

// Products are exact in float; the ISA leaves the order of the sum open, here k ascends from c.
void multiply(const MmaOperands* lanes) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4, in_group = lane % 4;
    for (int i = 0; i < 8; ++i) {  // a0 .. a7
      int row = (i < 2 || (i >= 4 && i < 6)) ? group : group + 8;
      int column = in_group * 2 + i % 2 + (i < 4 ? 0 : 8);
      a[row][column] = element(lanes[lane].a[i / 2], i % 2);
    }
    for (int i = 0; i < 4; ++i) {  // b0 .. b3
      int row = in_group * 2 + i % 2 + (i < 2 ? 0 : 8);
      b[row][group] = element(lanes[lane].b[i / 2], i % 2);
    }
  }
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {  // c0 .. c3
      int row = i < 2 ? lane / 4 : lane / 4 + 8, column = lane % 4 * 2 + i % 2;
      for (int k = 0; k < 16; ++k) lanes[lane].c[i] += a[row][k] * b[k][column];
    }
}

void distribute(const MatrixRows* lanes) {
  for (int matrix = 0; matrix < 4; ++matrix) {
    uint16_t m[8][8];
    for (int row = 0; row < 8; ++row) std::memcpy(m[row], lanes[8 * matrix + row].row, 16);
    for (int lane = 0; lane < 32; ++lane) {
      int group = lane / 4, first = lane % 4 * 2;
      uint32_t low = lanes[lane].transposed ? m[first][group] : m[group][first];
      uint32_t high = lanes[lane].transposed ? m[first + 1][group] : m[group][first + 1];
      lanes[lane].r[matrix] = low | high << 16;
    }
  }
}

}  // namespace

// Called when the lanes have come: values[l] is the address of lane l's operands.
void Machine::warp_matrices(WarpOp op, unsigned participants, const uint64_t* values) {
  if (participants != ~0u)
    fail(std::string(name(op)) + " needs all 32 lanes of warp " + std::to_string(running->warp) +
         ", lanes " + hex(participants) + " are there");
  auto code = [&](int lane) { return *reinterpret_cast<void* const*>(values[lane]); };
  for (int lane = 1; lane < 32; ++lane)
    if (code(lane) != code(0))
      fail("lanes of one warp meet in different calls of " + std::string(name(op)) +
           ": lane 0 at " + source_line(reinterpret_cast<uintptr_t>(code(0))) + "; lane " +
           std::to_string(lane) + " at " + source_line(reinterpret_cast<uintptr_t>(code(lane))));
  OwnMemory scope;
  MmaOperands operands[32];
  MatrixRows rows[32];
  for (int lane = 0; lane < 32; ++lane)
    if (op == WarpOp::mma) operands[lane] = *reinterpret_cast<const MmaOperands*>(values[lane]);
    else rows[lane] = *reinterpret_cast<const MatrixRows*>(values[lane]);
  if (op == WarpOp::mma) multiply(operands);
  else distribute(rows);
}

void mma_m16n8k16_bf16(float* c, const uint32_t* a, uint32_t b0, uint32_t b1, Site site) {
  const uint32_t b[2] = {b0, b1};
  MmaOperands operands{__builtin_return_address(0), c, a, b};
  machine->warp_call(WarpOp::mma, ~0u, reinterpret_cast<uintptr_t>(&operands), 0, 32, site);
}

void load_matrices(uint32_t* r, const void* row, bool transposed, Site site) {
  void* code = __builtin_return_address(0);
  if (reinterpret_cast<uintptr_t>(row) % 16 || !in_shared_zone(row))
    machine->fail("ldmatrix: a row must be 16 bytes of shared memory, aligned to 16, at " +
                  source_line(reinterpret_cast<uintptr_t>(code)));
  note(row, 16, Kind::read, code);
  MatrixRows rows{code, r, row, transposed};
  machine->warp_call(WarpOp::load_matrix, ~0u, reinterpret_cast<uintptr_t>(&rows), 0, 32, site);
}

}  // namespace emulator
