// Copies from global to shared memory that run beside the thread (cp.async, sm_80 on): no register
// holds the bytes. A thread issues copies, closes them into groups and waits for its own groups; a
// barrier after the wait makes the bytes visible to the block. Device code only. The emulator's
// twin lets a copy land at the wait for it, never earlier (tests/emulator/copies.cpp).
#pragma once
#include "kernels/platform.h"

namespace autodidact {

// kBytes at `to` (shared): the first `bytes` of them from `from` (global), then zeros. With bytes 0
// nothing is read, whatever `from` is. Both addresses are multiples of kBytes.
template <int kBytes>
__device__ __forceinline__ void copy_async(void* to, const void* from, int bytes) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
#if defined(EMULATE_CUDA)
  emulator::copy_async(to, from, kBytes, bytes);
#else
  unsigned shared_address = unsigned(__cvta_generic_to_shared(to));
  size_t global_address = __cvta_generic_to_global(from);
  if constexpr (kBytes == 16)  // past L1, which shared memory is a part of
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address),
                 "l"(global_address), "r"(bytes)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(shared_address),
                 "l"(global_address), "r"(bytes), "n"(kBytes)
                 : "memory");
#endif
}

// The copies that this thread has issued since the last call become a group; it may be empty.
__device__ __forceinline__ void commit_copies() {
#if defined(EMULATE_CUDA)
  emulator::commit_copies();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most the kPending newest groups of this thread are under way.
template <int kPending>
__device__ __forceinline__ void wait_copies() {
#if defined(EMULATE_CUDA)
  emulator::wait_copies(kPending);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#endif
}

}  // namespace autodidact
