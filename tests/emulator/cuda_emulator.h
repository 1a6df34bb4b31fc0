// The part of CUDA that kernels use, as plain C++: kernels/platform.h includes this file where a
// .cu file is compiled by the host compiler. Each intrinsic keeps the place of its call, so that a
// report can name it.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned nx = 1, unsigned ny = 1, unsigned nz = 1) : x(nx), y(ny), z(nz) {}
};
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace emulator {

struct Site {
  const char* file;
  int line;
};
constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  return {file, line};
}

enum class WarpOp : uint8_t {
  sync,
  shuffle,
  shuffle_up,
  shuffle_down,
  shuffle_xor,
  ballot,
  any,
  all,
  mma,
  load_matrix
};
enum class BarrierOp : uint8_t { sync, count, any, all };

// Waits for the lanes that mask names; returns this lane's result. `operand` is the source lane,
// the distance or the lane mask of a shuffle, `width` its segment.
uint64_t warp_call(WarpOp op, unsigned mask, uint64_t value, int operand, int width, Site site);
int block_barrier(BarrierOp op, bool value, Site site);
void atomic_access(const volatile void* address, size_t bytes, void* return_address);
void* shared_memory(size_t bytes);
// The twins of kernels/mma.h and kernels/async_copy.h.
void mma_m16n8k16_bf16(float* c, const uint32_t* a, uint32_t b0, uint32_t b1, Site site = here());
void load_matrices(uint32_t* r, const void* row, bool transposed, Site site = here());
void copy_async(void* to, const void* from, int bytes, int read);
void commit_copies();
void wait_copies(int pending);
void launch(dim3 grid, dim3 block, size_t shared_bytes, const void* kernel,
            void (*call)(void* arguments), void* arguments);
// Gives work to a stream (runtime.cpp); without one it is done at once. Returns a cudaError_t; only
// what has a name can be made to fail.
int submit(cudaStream_t stream, std::function<void()> work, const char* name = "");

template <class T>
T shuffle(WarpOp op, unsigned mask, T value, int operand, int width, Site site) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                "CUDA shuffles 4 or 8 byte numbers");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = warp_call(op, mask, bits, operand, width, site);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace emulator

inline void __syncthreads(emulator::Site site = emulator::here()) {
  emulator::block_barrier(emulator::BarrierOp::sync, false, site);
}
inline int __syncthreads_count(int predicate, emulator::Site site = emulator::here()) {
  return emulator::block_barrier(emulator::BarrierOp::count, predicate != 0, site);
}
inline int __syncthreads_or(int predicate, emulator::Site site = emulator::here()) {
  return emulator::block_barrier(emulator::BarrierOp::any, predicate != 0, site);
}
inline int __syncthreads_and(int predicate, emulator::Site site = emulator::here()) {
  return emulator::block_barrier(emulator::BarrierOp::all, predicate != 0, site);
}

inline void __syncwarp(unsigned mask = ~0u, emulator::Site site = emulator::here()) {
  emulator::warp_call(emulator::WarpOp::sync, mask, 0, 0, 32, site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              emulator::Site site = emulator::here()) {
  return unsigned(emulator::warp_call(emulator::WarpOp::ballot, mask, predicate != 0, 0, 32, site));
}
inline int __any_sync(unsigned mask, int predicate, emulator::Site site = emulator::here()) {
  return int(emulator::warp_call(emulator::WarpOp::any, mask, predicate != 0, 0, 32, site));
}
inline int __all_sync(unsigned mask, int predicate, emulator::Site site = emulator::here()) {
  return int(emulator::warp_call(emulator::WarpOp::all, mask, predicate != 0, 0, 32, site));
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              emulator::Site site = emulator::here()) {
  return emulator::shuffle(emulator::WarpOp::shuffle, mask, value, source, width, site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32,
                 emulator::Site site = emulator::here()) {
  return emulator::shuffle(emulator::WarpOp::shuffle_up, mask, value, int(distance), width, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32,
                   emulator::Site site = emulator::here()) {
  return emulator::shuffle(emulator::WarpOp::shuffle_down, mask, value, int(distance), width, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  emulator::Site site = emulator::here()) {
  return emulator::shuffle(emulator::WarpOp::shuffle_xor, mask, value, lane_mask, width, site);
}

// Atomics return the old value. They are calls, not inlined, so that the return address is the line
// of the kernel; the value is changed by one host thread, so plain arithmetic is atomic here.
#define EMULATED_ATOMIC(name, expression)                                                    \
  template <class T>                                                                         \
  __attribute__((noinline, no_sanitize("thread"))) T name(T* p, std::type_identity_t<T> v) { \
    emulator::atomic_access(p, sizeof(T), __builtin_return_address(0));                      \
    T old = *p;                                                                              \
    *p = T(expression);                                                                      \
    return old;                                                                              \
  }
EMULATED_ATOMIC(atomicAdd, old + v)
EMULATED_ATOMIC(atomicExch, v)
EMULATED_ATOMIC(atomicMax, old < v ? v : old)
EMULATED_ATOMIC(atomicMin, v < old ? v : old)
EMULATED_ATOMIC(atomicOr, old | v)
EMULATED_ATOMIC(atomicAnd, old& v)
#undef EMULATED_ATOMIC
template <class T>
__attribute__((noinline, no_sanitize("thread"))) T atomicCAS(T* p, std::type_identity_t<T> expected,
                                                             std::type_identity_t<T> v) {
  emulator::atomic_access(p, sizeof(T), __builtin_return_address(0));
  T old = *p;
  if (old == expected) *p = v;
  return old;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
template <class T>
T __ldg(const T* p) {
  return *p;
}
