#include "engine/memory.h"
#include <cstring>
#include "kernels/parallel.h"
#if defined(HAS_CUDA)
#include "engine/cuda/memory.h"
#endif

namespace autodidact {

#if defined(HAS_CUDA)

const std::shared_ptr<Arena>& arena_of(Device device) {
  return device == Device::cpu ? cpu_memory() : cuda_memory();
}
void transfer(void* to, Device to_device, const void* from, Device from_device, size_t bytes) {
  if (bytes == 0) return;
  if (to_device == Device::cpu && from_device == Device::cpu) std::memcpy(to, from, bytes);
  else cuda_transfer(to, to_device, from, from_device, bytes);
}
void synchronize(Device device) {
  if (device == Device::cuda) cuda_synchronize();
}
size_t memory_peak(Device device) {
  return device == Device::cpu ? cpu_arena().peak() + scratch_high_water() : cuda_memory_peak();
}

#else

const std::shared_ptr<Arena>& arena_of(Device device) {
  check(device == Device::cpu, "no ", device, " memory in this build");
  return cpu_memory();
}
void transfer(void* to, Device, const void* from, Device, size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}
void synchronize(Device) {}
size_t memory_peak(Device) { return cpu_arena().peak() + scratch_high_water(); }

#endif

}  // namespace autodidact
