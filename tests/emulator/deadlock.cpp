// Words for what a thread did wrong or waits for.
#include <cstdio>
#include <map>
#include "machine.h"
#include "source_line.h"

namespace emulator {

const char* name(BarrierOp op) {
  switch (op) {
    case BarrierOp::sync:
      return "__syncthreads";
    case BarrierOp::count:
      return "__syncthreads_count";
    case BarrierOp::any:
      return "__syncthreads_or";
    case BarrierOp::all:
      return "__syncthreads_and";
  }
  return "";
}

std::string describe(Site site) {
  return without_source_folder(site.file) + ":" + std::to_string(site.line);
}

static std::string triple(unsigned x, unsigned y, unsigned z) {
  return "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")";
}
std::string Machine::block_name(unsigned number) const {
  unsigned b = number - 1;
  return triple(b % gridDim.x, b / gridDim.x % gridDim.y, b / (gridDim.x * gridDim.y));
}
std::string Machine::thread_name(unsigned id) const {
  if (blockDim.y == 1 && blockDim.z == 1) return "thread " + std::to_string(id);
  return "thread " +
         triple(id % blockDim.x, id / blockDim.x % blockDim.y, id / (blockDim.x * blockDim.y));
}

// {0, 1, 2, 5} -> "threads 0-2, 5"
std::string Machine::names(const std::vector<unsigned>& ids) const {
  std::string text = ids.size() == 1 ? "thread " : "threads ";
  for (size_t i = 0; i < ids.size();) {
    size_t end = i + 1;
    while (end < ids.size() && ids[end] == ids[end - 1] + 1) ++end;
    text += (i ? ", " : "") + std::to_string(ids[i]);
    if (end > i + 1) text += "-" + std::to_string(ids[end - 1]);
    i = end;
  }
  return text;
}

void Machine::fail(const std::string& what) {
  std::string text = "emulator: " + function_name(kernel_) + ": block " + block_name(block);
  if (running) text += ", " + thread_name(running->id);
  throw Error(text + ": " + what);
}

std::string Machine::deadlock() const {
  std::map<std::string, std::vector<unsigned>> groups;
  bool warp_calls = false, left = false;
  for (unsigned i = 0; i < count_; ++i) {
    const Thread& t = threads_[i];
    char mask[16];
    std::snprintf(mask, sizeof mask, "0x%08x", t.mask);
    warp_calls |= t.state == State::in_warp_call, left |= t.state == State::left;
    switch (t.state) {
      case State::at_barrier:
        groups[std::string("for the block at ") + name(t.barrier) + ", " + describe(t.site)]
            .push_back(i);
        break;
      case State::in_warp_call:
        groups["for lanes " + std::string(mask) + " of warp " + std::to_string(t.warp) + " at " +
               name(t.op) + ", " + describe(t.site)]
            .push_back(i);
        break;
      default:
        groups[""].push_back(i);
    }
  }
  std::string text = "emulator: " + function_name(kernel_) + ": block " + block_name(block) +
                     (warp_calls ? ": deadlock"
                      : left     ? ": a barrier that not all threads reach"
                                 : ": threads wait at different barriers");
  for (const auto& [what, ids] : groups)
    text += "\n  " + names(ids) + (what.empty() ? " left the kernel" : " wait " + what);
  return text;
}

}  // namespace emulator
