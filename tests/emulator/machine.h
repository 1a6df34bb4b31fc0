// The machine that a launch runs on: the block's threads as fibers, their warps, whose turn it is.
// One launch at a time in the process; a block after another.
#pragma once
#include <exception>
#include <string>
#include <vector>
#include <boost/context/fiber.hpp>
#include "cuda_emulator.h"
#include "emulator.h"

namespace emulator {

inline constexpr unsigned kWarp = 32, kMaxThreads = 1024, kMaxWarps = kMaxThreads / kWarp;
// The least of sm_80, 90, 100 and 120: what one block may ask for on every target.
inline constexpr size_t kMaxShared = 99 << 10;

enum class State : uint8_t { ready, at_barrier, in_warp_call, left };

struct Copy {  // a cp.async that has not landed
  void* to;
  const void* from;
  size_t bytes, read;
  void* code;      // where it was issued
  unsigned group;  // how many groups the thread had closed by then
};

struct Thread {
  uint3 index;
  unsigned id, warp, lane;
  State state;
  bool inside = false;  // the kernel, waiting
  // What it waits for:
  Site site;
  BarrierOp barrier;
  WarpOp op;
  unsigned mask;
  int operand, width;
  uint64_t value, result;

  std::vector<Copy> copies;  // oldest first
  unsigned copy_groups = 0;  // that it has closed in this block

  boost::context::fiber fiber;      // to go on with it
  boost::context::fiber scheduler;  // to give the turn back
  void* fake_stack = nullptr;       // the address sanitizer's
};

struct Warp {
  unsigned exists, left, ready;  // lane masks
  // clock[a][b]: up to which of b's steps a has synchronised with it; a's own step is clock[a][a].
  // A step ends at each __syncwarp. Shuffles and votes order no memory (CUDA C++ Programming Guide,
  // "Warp Shuffle Functions"), so they leave the clocks alone.
  uint32_t clock[kWarp][kWarp];
};

class Machine {
 public:
  void launch(dim3 grid, dim3 block, size_t shared_bytes, const void* kernel, void (*call)(void*),
              void* arguments);
  uint64_t warp_call(WarpOp op, unsigned mask, uint64_t value, int operand, int width, Site site);
  int block_barrier(BarrierOp op, bool value, Site site);
  void* shared(size_t bytes);
  [[noreturn]] void fail(const std::string& what);  // of the running thread

  Thread* running = nullptr;  // null while the scheduler has the turn
  Warp warps[kMaxWarps];
  unsigned block = 0;      // number of the block in the grid, from 1
  uint32_t launch_id = 0;  // from 1
  uint32_t epoch = 0;      // barriers that the block has passed, from 1
  size_t shared_bytes = 0;
  std::string block_name(unsigned number) const;  // "(1,0,0)"
  std::string thread_name(unsigned id) const;     // "thread 3" or "thread (3,1,0)"

 private:
  void run_block(unsigned number);
  void start(unsigned threads);
  Thread* next();
  void resume(Thread&);
  void suspend(Thread&);
  void wait(Thread&);  // suspend, from inside the kernel
  void abandon();
  void fiber_main(Thread&);
  bool complete(Warp&, const Thread&);
  uint64_t result_for(const Thread&, unsigned participants);
  void warp_matrices(WarpOp op, unsigned participants, const uint64_t* values);
  void leave(Thread&);
  void release_barrier();
  std::string deadlock() const;  // who waits for what
  void set_ready(Thread&);
  std::string names(const std::vector<unsigned>& ids) const;
  uint64_t draw(uint64_t below);

  std::vector<Thread> threads_;
  bool abandoned_ = false;
  unsigned count_ = 0, live_ = 0, last_ = 0;
  std::vector<unsigned> order_;  // of the warps, most urgent first
  std::exception_ptr error_;
  const void* kernel_ = nullptr;
  void (*call_)(void*) = nullptr;
  void* arguments_ = nullptr;
  int barrier_result_ = 0;
  uint64_t random_ = 0;
};

// The machine that runs on this host thread, or null.
extern thread_local Machine* machine;

extern Counters total;

const char* name(WarpOp);
const char* name(BarrierOp);
std::string describe(Site);
std::string hex(unsigned mask);

// Fiber stacks lie in one range, so that a thread's own variables are told from memory at once.
bool on_a_stack(uintptr_t address);
// The block's shared memory with a zone before and after it that nothing may touch.
struct SharedZone {
  unsigned char *begin, *memory, *end;
};
const SharedZone& shared_zone();
bool in_shared_zone(const void* address);  // or in what lies around it

}  // namespace emulator
