// The only file that knows which compiler is reading a kernel: nvcc, the host compiler with the
// emulator (-DCUDA=EMULATED), or the host compiler alone. A .cu file uses launch() instead of
// <<<>>> and shared<T>() instead of __shared__; with these two it is valid C++. (mma.h,
// async_copy.h and whole_store.h know it too: their instructions have emulated twins; and
// vendor/library.cpp: where the libraries come from.)
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#define HD __host__ __device__ __forceinline__
// Before a loop: its rounds are all written out (arrays it indexes stay in registers), or none is.
#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")
#elif defined(EMULATE_CUDA)  // a .cu file, or a test with kernels of its own
#include "cuda_emulator.h"   // tests/emulator: in the include path of emulated device code alone
#include "emulator.h"
// Always inlined, so that the linker cannot replace it by a copy whose memory accesses are unseen.
#define HD inline __attribute__((always_inline))
#define UNROLL
#define NO_UNROLL
#else
#define HD inline
#endif

struct CUstream_st;

namespace autodidact {

// Where a kernel runs: overload resolution on the queue picks the body; one that this
// build does not have is a link error.
struct Cpu {};
struct Workspace;
struct Cuda {
  CUstream_st* stream = nullptr;   // a cudaStream_t; null in tests of kernels alone
  Workspace* workspace = nullptr;  // for kernels that need one: kernels/device_scratch.h
};

// A launch that was refused, or found the device in an error. The engine makes its Error of it.
struct LaunchFailure : std::runtime_error {
  LaunchFailure(int cuda_status, const std::string& launched, const std::string& text)
      : std::runtime_error(launched + ": " + text), status(cuda_status), where(launched) {}
  int status;         // a cudaError_t; negative: a library's own, told in what()
  std::string where;  // "launch (grid 1x1x1, ..)"
};

// What a launch was, for the engine's record of a step (engine/graph.h).
struct LaunchNote {
  std::string kernel;  // the types of its arguments, which name it
  unsigned grid[3], block[3];
  size_t shared_bytes;
  std::vector<unsigned char> arguments;
};
inline std::vector<LaunchNote>* launch_notes = nullptr;  // where launches are noted, if anywhere

#if defined(__CUDACC__)
// The block's dynamic shared memory; its size is an argument of launch().
template <class T>
__device__ __forceinline__ T& shared() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return *reinterpret_cast<T*>(bytes);
}
#elif defined(EMULATE_CUDA)
template <class T>
T& shared() {
  return *static_cast<T*>(emulator::shared_memory(sizeof(T)));
}
#endif

#if defined(__CUDACC__) || defined(EMULATE_CUDA)
// A kernel's argument as bytes, from a multiple of 8 on; those between its members are zero where
// the compiler can clear them.
template <class T>
void append_bytes(std::vector<unsigned char>& bytes, T value) {
  bytes.resize((bytes.size() + 7) / 8 * 8);
#if !defined(__CUDACC__) && defined(__GNUC__) && !defined(__clang__)
  __builtin_clear_padding(&value);
#endif
  auto* p = reinterpret_cast<const unsigned char*>(&value);
  bytes.insert(bytes.end(), p, p + sizeof(T));
}

// kernel<<<grid, block, shared_bytes, stream>>>(arguments...), checked.
template <class... P, class... A>
void launch(Cuda queue, dim3 grid, dim3 block, size_t shared_bytes, void (*kernel)(P...),
            A... arguments) {
  if (launch_notes) {
    LaunchNote note{__PRETTY_FUNCTION__,
                    {grid.x, grid.y, grid.z},
                    {block.x, block.y, block.z},
                    shared_bytes,
                    {}};
    (append_bytes(note.arguments, P(arguments)), ...);
    launch_notes->push_back(std::move(note));
  }
#if defined(__CUDACC__)
  cudaError_t error = cudaSuccess;
  if (shared_bytes > (48 << 10))  // above it a kernel has to ask
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 int(shared_bytes));
  if (error == cudaSuccess) {
    kernel<<<grid, block, shared_bytes, queue.stream>>>(P(arguments)...);
    error = cudaGetLastError();
  }
#else
  int error = emulator::submit(
      queue.stream,
      [=] {
        auto call = [&] { kernel(P(arguments)...); };
        emulator::launch(
            grid, block, shared_bytes, reinterpret_cast<const void*>(kernel),
            [](void* c) { (*static_cast<decltype(call)*>(c))(); }, &call);
      },
      "launch");
#endif
  if (error == cudaSuccess) return;
  auto size = [](dim3 d) {
    return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z);
  };
  throw LaunchFailure(int(error),
                      "launch (grid " + size(grid) + ", block " + size(block) + ", " +
                          std::to_string(shared_bytes) + " bytes of shared memory)",
                      cudaGetErrorString(cudaError_t(error)));
}
#endif

// Working memory (device_scratch.h), told of in the order of the queue: under the emulator it
// starts as NaN, and `fence` bytes behind it belong to nobody.
#if defined(__CUDACC__)
inline constexpr size_t kScratchFence = 0;
inline void fence_scratch(Cuda, unsigned char*, size_t, size_t) {}
inline void unfence_scratch(Cuda, unsigned char*, size_t) {}
#elif defined(EMULATE_CUDA)
inline constexpr size_t kScratchFence = 256;
inline void fence_scratch(Cuda queue, unsigned char* memory, size_t bytes, size_t fence) {
  emulator::submit(queue.stream, [=] {
    memset(memory, 0xff, bytes);
    emulator::forbid(memory + bytes, fence);
  });
}
inline void unfence_scratch(Cuda queue, unsigned char* memory, size_t bytes) {
  emulator::submit(queue.stream, [=] { emulator::permit(memory + bytes); });
}
#endif

}  // namespace autodidact
