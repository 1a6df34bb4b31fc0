// Where tensors' bytes lie and how they get there: an arena a device, and copies between devices.
// The GPU has one queue, on which everything happens in order; it starts with the first use.
#pragma once
#include <memory>
#include <string>
#include "engine/arena.h"
#include "engine/device.h"

namespace autodidact {

// The arena that new tensors of this device come from. ErrorKind::device where there is no such
// device.
const std::shared_ptr<Arena>& arena_of(Device device);

// Bytes from one device's memory to another's (or the same one's), in the order of the queue.
// From the CPU: `from` may be changed as soon as this returns. To the CPU: waits.
void transfer(void* to, Device to_device, const void* from, Device from_device, size_t bytes);

void synchronize(Device device);  // waits for all that was asked of it
// The most bytes that tensors took at a time, and kernels beside them; of a GPU, what was mapped
// for both, graphs included.
size_t memory_peak(Device device);

Cuda cuda_queue();
[[noreturn]] void launch_failed(const LaunchFailure& failure, const char* op);

// While one exists new tensors of the GPU come from this arena, and with `captured` nothing may
// cross between host and device: it would happen once, and not in the replays.
class MemoryOfStep {
 public:
  MemoryOfStep(const std::shared_ptr<Arena>& arena, bool captured);
  ~MemoryOfStep();
  MemoryOfStep(const MemoryOfStep&) = delete;
  MemoryOfStep& operator=(const MemoryOfStep&) = delete;
};
std::shared_ptr<Arena> new_cuda_arena();

}  // namespace autodidact
