// What is published of the chips: the limits that decide how many blocks of a kernel a
// multiprocessor holds, and the ceilings of two boards. Nothing here was measured.
#pragma once
#include <algorithm>

namespace kernel_report {

// CUDA C++ Programming Guide 13.0, "Technical Specifications per Compute Capability". All have
// 65,536 registers a multiprocessor, 255 a thread and 1,024 threads a block.
struct Chip {
  int number;                // 90 of sm_90
  int warps, blocks;         // of a multiprocessor, at most
  int shared, block_shared;  // bytes of a multiprocessor; of a block, at most
};
inline constexpr Chip kChips[] = {{80, 64, 32, 164 << 10, 163 << 10},
                                  {90, 64, 32, 228 << 10, 227 << 10},
                                  {100, 64, 32, 228 << 10, 227 << 10},
                                  {120, 48, 24, 100 << 10, 99 << 10}};

// Blocks of a multiprocessor, as the toolkit's occupancy calculator counts them: registers are
// given to warps by 256 and lie in four equal files; shared memory is given by 128 bytes, and a
// block takes 1 KiB of it for the system. 0: a block does not fit.
inline int resident_blocks(const Chip& chip, int threads, int registers, int shared_bytes) {
  int warps = (threads + 31) / 32;
  if (warps > 32 || shared_bytes > chip.block_shared) return 0;
  int of_warp = (registers * 32 + 255) / 256 * 256;
  int by_registers = 65536 / 4 / of_warp * 4 / warps;
  int by_shared = chip.shared / ((shared_bytes + 1024 + 127) / 128 * 128);
  return std::min({chip.blocks, chip.warps / warps, by_registers, by_shared});
}

// NVIDIA's data sheets of the SXM boards, without sparsity.
struct Board {
  const char* name;
  double bytes_per_s, float_flops, tensor_flops;  // tensor: bf16
};
inline constexpr Board kH100{"H100", 3.35e12, 67e12, 989e12};
inline constexpr Board kH200{"H200", 4.8e12, 67e12, 989e12};

// The time that no implementation can go below.
inline double roofline_s(const Board& b, double bytes, double flops, bool tensor_cores) {
  return std::max(bytes / b.bytes_per_s, flops / (tensor_cores ? b.tensor_flops : b.float_flops));
}
inline bool bound_by_memory(const Board& b, double bytes, double flops, bool tensor_cores) {
  return bytes / b.bytes_per_s >= flops / (tensor_cores ? b.tensor_flops : b.float_flops);
}

}  // namespace kernel_report
