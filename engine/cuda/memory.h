// The GPU's half of engine/memory.h.
#pragma once
#include "engine/memory.h"

namespace autodidact {

const std::shared_ptr<Arena>& cuda_memory();
void cuda_transfer(void* to, Device to_device, const void* from, Device from_device, size_t bytes);
void cuda_synchronize();
size_t cuda_memory_peak();

}  // namespace autodidact
