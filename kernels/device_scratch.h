// Working memory of CUDA kernels, the twin of parallel.h's Scratch. The convention:
//  - a queue carries one Workspace, a buffer of the device's memory that its owner (the engine, a
//    test, a benchmark) hands in. A kernel family that says "needs a workspace" takes its memory
//    from there, in the host half of run(Cuda, ..), by a DeviceScratch of that scope;
//  - what is taken last is given back first, and may be taken again at once, by the next call too:
//    a queue's kernels run one after another. Contents start undefined;
//  - a captured step has the addresses in it: the buffer lives as long as the graph;
//  - a queue without one, or one that is too small, is an error that says how much was needed.
// Each family's header says how much its kernels take.
#pragma once
#include <string>
#include "kernels/platform.h"

namespace autodidact {

struct Workspace {
  unsigned char* memory;  // the device's; aligned to 256 bytes
  size_t size;            // bytes
  size_t used = 0, high_water = 0;
};

// Included where kernels are launched, in a .cu file.
#if defined(__CUDACC__) || defined(EMULATE_CUDA)
template <class T>
class DeviceScratch {
 public:
  // count 0: no memory, and no workspace needed.
  DeviceScratch(Cuda queue, int64_t count)
      : queue_(queue),
        workspace_(count > 0 ? queue.workspace : nullptr),
        before_(workspace_ ? workspace_->used : 0),
        bytes_(size_t(count) * sizeof(T)) {
    if (count == 0) return;
    size_t all = (bytes_ + kScratchFence + kAlignment - 1) / kAlignment * kAlignment;
    size_t size = workspace_ ? workspace_->size : 0;
    if (all > size - before_)
      throw LaunchFailure(-1, "scratch",
                          "the queue's workspace has " + std::to_string(size - before_) +
                              " bytes left of " + std::to_string(size) + ", a kernel needs " +
                              std::to_string(all) + "; a smaller batch needs less");
    data_ = workspace_->memory + before_;
    workspace_->used += all;
    if (workspace_->used > workspace_->high_water) workspace_->high_water = workspace_->used;
    fence_scratch(queue_, data_, bytes_, all - bytes_);
  }
  ~DeviceScratch() {
    if (!workspace_) return;
    unfence_scratch(queue_, data_, bytes_);
    workspace_->used = before_;
  }
  DeviceScratch(const DeviceScratch&) = delete;
  DeviceScratch& operator=(const DeviceScratch&) = delete;
  T* data() const { return reinterpret_cast<T*>(data_); }

 private:
  static constexpr size_t kAlignment = 256;
  Cuda queue_;
  Workspace* workspace_;
  size_t before_, bytes_;
  unsigned char* data_ = nullptr;
};
#endif

}  // namespace autodidact
