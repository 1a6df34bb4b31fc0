// The only file that knows which compiler is reading a kernel: nvcc, the host compiler with the
// emulator (-DCUDA=EMULATED), or the host compiler alone. A .cu file uses launch() instead of
// <<<>>> and shared<T>() instead of __shared__; with these two it is valid C++.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#include <stdexcept>
#include <string>
#define HD __host__ __device__ __forceinline__
#elif defined(EMULATE_CUDA)  // a .cu file, or a test with kernels of its own
#include "cuda_emulator.h"   // tests/emulator: in the include path of emulated device code alone
#include "emulator.h"
// Always inlined, so that the linker cannot replace it by a copy whose memory accesses are unseen.
#define HD inline __attribute__((always_inline))
#else
#define HD inline
#endif

#if defined(HAS_CUDA)
struct CUstream_st;
#endif

namespace autodidact {

// Where a kernel runs: overload resolution on the queue picks the body; a kernel that does not
// exist is a link error.
struct Cpu {};
#if defined(HAS_CUDA)
struct Workspace;
struct Cuda {
  CUstream_st* stream = nullptr;   // a cudaStream_t; the emulator has one queue and ignores it
  Workspace* workspace = nullptr;  // for kernels that need one: kernels/device_scratch.h
};
#endif

#if defined(__CUDACC__)
// The block's dynamic shared memory; its size is an argument of launch().
template <class T>
__device__ __forceinline__ T& shared() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return *reinterpret_cast<T*>(bytes);
}

// kernel<<<grid, block, shared_bytes, stream>>>(arguments...), checked.
template <class... P, class... A>
void launch(Cuda queue, dim3 grid, dim3 block, size_t shared_bytes, void (*kernel)(P...),
            A... arguments) {
  cudaError_t error = cudaSuccess;
  if (shared_bytes > (48 << 10))  // above it a kernel has to ask
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 int(shared_bytes));
  if (error == cudaSuccess) {
    kernel<<<grid, block, shared_bytes, queue.stream>>>(P(arguments)...);
    error = cudaGetLastError();
  }
  if (error == cudaSuccess) return;
  auto size = [](dim3 d) {
    return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z);
  };
  throw std::runtime_error("launch: " + std::string(cudaGetErrorString(error)) + " (grid " +
                           size(grid) + ", block " + size(block) + ", " +
                           std::to_string(shared_bytes) + " bytes of shared memory)");
}

inline constexpr size_t kScratchFence = 0;
inline void fence_scratch(unsigned char*, size_t, size_t) {}
inline void unfence_scratch(unsigned char*, size_t) {}
#elif defined(EMULATE_CUDA)
template <class T>
T& shared() {
  return *static_cast<T*>(emulator::shared_memory(sizeof(T)));
}

template <class... P, class... A>
void launch(Cuda, dim3 grid, dim3 block, size_t shared_bytes, void (*kernel)(P...),
            A... arguments) {
  auto call = [&] { kernel(P(arguments)...); };
  emulator::launch(
      grid, block, shared_bytes, reinterpret_cast<const void*>(kernel),
      [](void* c) { (*static_cast<decltype(call)*>(c))(); }, &call);
}

// Working memory (device_scratch.h) starts as NaN, and `fence` bytes behind it belong to nobody.
inline constexpr size_t kScratchFence = 256;
inline void fence_scratch(unsigned char* memory, size_t bytes, size_t fence) {
  memset(memory, 0xff, bytes);
  emulator::forbid(memory + bytes, fence);
}
inline void unfence_scratch(unsigned char* memory, size_t bytes) {
  emulator::permit(memory + bytes);
}
#endif

}  // namespace autodidact
