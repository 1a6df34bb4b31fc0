// What a call of either library needs beside it: workspace, alignment, a note for the step's
// record.
#pragma once
#include <cstring>
#include "kernels/device_scratch.h"

namespace autodidact::vendor {

// The largest DeviceScratch<unsigned char> that the queue's workspace still has room for.
inline size_t scratch_left(Cuda queue) {
  if (!queue.workspace) return 0;
  const size_t left = (queue.workspace->size - queue.workspace->used) / 256 * 256;
  return left > kScratchFence ? left - kScratchFence : 0;
}

// What an address is a multiple of; 256 is as much as any algorithm asks for.
inline uint32_t alignment_of(const void* p) {
  uint32_t a = 256;
  while (reinterpret_cast<uintptr_t>(p) % a) a /= 2;
  return a;
}

// For the record of a step (engine/graph.h). `arguments`: all numbers and addresses of the call.
template <class Numbers>
void note_call(const char* call, const Numbers& arguments) {
  if (!launch_notes) return;
  LaunchNote note{call, {1, 1, 1}, {1, 1, 1}, 0, {}};
  note.arguments.resize(arguments.size() * sizeof arguments[0]);
  std::memcpy(note.arguments.data(), arguments.data(), note.arguments.size());
  launch_notes->push_back(std::move(note));
}
inline int64_t number(const void* p) { return int64_t(reinterpret_cast<uintptr_t>(p)); }

}  // namespace autodidact::vendor
