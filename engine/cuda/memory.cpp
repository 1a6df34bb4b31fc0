// The GPU's queue, its arenas, and copies to and from it through pinned memory.
#include "engine/memory.h"
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include "engine/cuda/driver.h"
#include "engine/cuda/memory.h"
#include "kernels/device_scratch.h"

namespace autodidact {
namespace {

const std::shared_ptr<Arena>* arena_of_step = nullptr;
bool capturing = false;

// Two halves: one is filled or emptied by the host while the GPU copies the other.
class Staging {
 public:
  explicit Staging(CUstream_st* stream) : stream_(stream) {
    for (Half& h : halves_) h = {static_cast<char*>(cuda::pinned(kHalf)), cuda::new_event()};
  }

  void to_device(char* to, const char* from, size_t bytes) {
    for (size_t n; bytes; to += n, from += n, bytes -= n) {
      Half& h = halves_[turn_++ % 2];
      n = std::min(bytes, kHalf);
      cuda::wait(h.copied);  // what it held before has left
      std::memcpy(h.memory, from, n);
      cuda::copy_async(to, h.memory, n, cuda::Way::to_device, stream_);
      cuda::record(h.copied, stream_);
    }
  }

  void to_host(char* to, const char* from, size_t bytes) {
    for (size_t n; bytes; to += n, from += n, bytes -= n) {
      Half& h = halves_[turn_++ % 2];
      n = std::min(bytes, kHalf);
      cuda::wait(h.copied);
      cuda::copy_async(h.memory, from, n, cuda::Way::to_host, stream_);
      cuda::synchronize(stream_);
      std::memcpy(to, h.memory, n);
    }
  }

 private:
  static constexpr size_t kHalf = size_t(8) << 20;
  struct Half {
    char* memory = nullptr;
    CUevent_st* copied = nullptr;
  };
  CUstream_st* stream_;
  std::array<Half, 2> halves_;
  unsigned turn_ = 0;
};

// Everything of the one GPU; made by its first use, never destroyed.
struct Gpu {
  CUstream_st* stream = cuda::new_stream();
  size_t bytes = cuda::memory_bytes();
  std::shared_ptr<Arena> arena = new_arena();
  Staging staging{stream};
  // Of kernels and libraries; one serves captured steps too, because there is one queue.
  static constexpr size_t kWorkspace = size_t(32) << 20;
  Workspace workspace{static_cast<unsigned char*>(arena->allocate(kWorkspace)), kWorkspace};

  // Four times the memory in addresses, so that fragmentation runs into the limit first.
  std::shared_ptr<Arena> new_arena() {
    return std::make_shared<Arena>(cuda::new_pages(4 * bytes, stream), bytes);
  }
};
Gpu& gpu() {
  static Gpu& g = [&]() -> Gpu& {
    cuda::Found found = cuda::find_gpu();
    if (!found.usable) fail(ErrorKind::device, "no GPU: ", found.reason);
    return *new Gpu;
  }();
  return g;
}

}  // namespace

Cuda cuda_queue() { return {gpu().stream, &gpu().workspace}; }
void launch_failed(const LaunchFailure& failure, const char* op) {
  if (failure.status < 0) fail(ErrorKind::device, op, ", ", failure.what());
  cuda::check_status(failure.status, std::string(op) + ", " + failure.where);
  std::abort();  // a failure has a status
}
std::shared_ptr<Arena> new_cuda_arena() { return gpu().new_arena(); }

const std::shared_ptr<Arena>& cuda_memory() { return arena_of_step ? *arena_of_step : gpu().arena; }

void cuda_transfer(void* to, Device to_device, const void* from, Device from_device, size_t bytes) {
  if (to_device == from_device)
    return cuda::copy_async(to, from, bytes, cuda::Way::on_device, gpu().stream);
  check(!capturing, "copy: ", bytes, " bytes ",
        to_device == Device::cuda ? "to the GPU" : "from the GPU",
        " in a captured step: a replay would not repeat it; copy before or after the step");
  if (to_device == Device::cuda)
    gpu().staging.to_device(static_cast<char*>(to), static_cast<const char*>(from), bytes);
  else gpu().staging.to_host(static_cast<char*>(to), static_cast<const char*>(from), bytes);
}

void cuda_synchronize() { cuda::synchronize(gpu().stream); }
size_t cuda_memory_peak() { return cuda::most_mapped(); }

MemoryOfStep::MemoryOfStep(const std::shared_ptr<Arena>& arena, bool captured) {
  check(!arena_of_step, "graph: a step inside of a step");
  arena_of_step = &arena, capturing = captured;
}
MemoryOfStep::~MemoryOfStep() { arena_of_step = nullptr, capturing = false; }

}  // namespace autodidact
