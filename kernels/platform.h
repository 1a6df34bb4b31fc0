// The only file that knows which compiler is reading a kernel: nvcc, the host compiler with the
// emulator, or the host compiler alone. A .cu file uses launch() instead of <<<>>> and shared<T>()
// instead of __shared__.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#define HD __host__ __device__ __forceinline__
#else
#define HD inline
#endif

namespace autodidact {

// Where a kernel runs: overload resolution on the queue picks the body; a kernel that does not
// exist is a link error.
struct Cpu {};

}  // namespace autodidact
