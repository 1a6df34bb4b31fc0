// The calls of the CUDA runtime and driver that the engine makes. Each is one line in driver.cpp
// and checked there: a status that is not success becomes an Error that says what happened and what
// to do. There is no logic here: what can be wrong is above, and tested with
// tests/emulator/runtime.cpp in place of the toolkit.
#pragma once
#include <memory>
#include <string>
#include "engine/arena.h"
#include "kernels/platform.h"

struct CUevent_st;
struct CUgraphExec_st;

namespace autodidact::cuda {

struct Found {
  bool present = false, usable = false;  // a GPU; one that this program can run on
  int count = 0;
  std::string name, driver, reason;  // driver: "CUDA 13.0"; reason: why it is not usable
};
Found find_gpu();  // never throws

// ErrorKind::device, in words. `what` names the call or the launch.
void check_status(int cuda_error, const std::string& what);

CUstream_st* new_stream();
void synchronize(CUstream_st*);
CUevent_st* new_event();
void record(CUevent_st*, CUstream_st*);
void wait(CUevent_st*);
void* pinned(size_t bytes);  // host memory that the GPU copies from and to by itself
enum class Way { to_device, to_host, on_device };
void copy_async(void* to, const void* from, size_t bytes, Way, CUstream_st*);
void fill_async(void* p, int byte, size_t bytes, CUstream_st*);

void begin_capture(CUstream_st*);
CUgraphExec_st* end_capture(CUstream_st*);  // ready to be launched
void drop_capture(CUstream_st*) noexcept;   // after an error
void launch(CUgraphExec_st*, CUstream_st*);
void destroy(CUgraphExec_st*) noexcept;

size_t memory_bytes();  // of the GPU
size_t most_mapped();   // bytes that were mapped under Pages at a time
// `range` bytes of addresses of the GPU; before memory is taken from under them `stream` is waited
// for.
std::unique_ptr<Pages> new_pages(size_t range, CUstream_st* stream);

}  // namespace autodidact::cuda
