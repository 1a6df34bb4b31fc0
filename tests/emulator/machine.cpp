// Turns: which fiber runs, until where, and what is wrong when none can.
#include "machine.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include "shadow.h"
#include "source_line.h"
#include "stacks.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulator {

thread_local Machine* machine = nullptr;
Counters total{};

static uint64_t seed_from_environment() {
  const char* text = std::getenv("AUTODIDACT_EMULATOR_SEED");
  return text && *text ? std::strtoull(text, nullptr, 10) : 1;
}
static uint64_t& seed() {
  static uint64_t s = seed_from_environment();
  return s;
}
void set_schedule(uint64_t s) { seed() = s; }
uint64_t schedule() { return seed(); }
Counters counters() { return total; }

// splitmix64
uint64_t Machine::draw(uint64_t below) {
  uint64_t z = (random_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) % below;
}

void Machine::launch(dim3 grid, dim3 block_size, size_t bytes, const void* kernel,
                     void (*call)(void*), void* arguments) {
  uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
  uint64_t threads = uint64_t(block_size.x) * block_size.y * block_size.z;
  kernel_ = kernel, call_ = call, arguments_ = arguments;
  auto refuse = [&](const std::string& what) {
    throw Error("emulator: " + function_name(kernel) + ": " + what);
  };
  if (blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    refuse("a grid must be 1 to 2147483647 x 65535 x 65535 blocks, got " + std::to_string(grid.x) +
           " x " + std::to_string(grid.y) + " x " + std::to_string(grid.z));
  if (threads == 0 || threads > kMaxThreads || block_size.z > 64)
    refuse("a block must have 1 to 1024 threads, at most 64 deep, got " +
           std::to_string(block_size.x) + " x " + std::to_string(block_size.y) + " x " +
           std::to_string(block_size.z));
  if (bytes > kMaxShared)
    refuse("shared memory must be at most " + std::to_string(kMaxShared) + " bytes, got " +
           std::to_string(bytes));
  gridDim = grid, blockDim = block_size, shared_bytes = bytes, count_ = unsigned(threads);
  ++launch_id, ++total.launches;
  shadow().begin_launch();

  std::vector<unsigned> blocks_in_order(blocks);
  for (unsigned b = 0; b < blocks; ++b) blocks_in_order[b] = b;
  random_ = seed();
  if (seed() != 0)
    for (size_t b = blocks; b > 1; --b) std::swap(blocks_in_order[b - 1], blocks_in_order[draw(b)]);
  std::string text = "emulator: " + function_name(kernel) + ":";
  try {
    for (unsigned b : blocks_in_order) {
      run_block(b);
      if (!shadow().findings().empty()) break;
    }
  } catch (const Error& e) {
    text = e.what();
    for (const std::string& finding : shadow().findings()) text += "\n  " + finding;
    throw Error(text);
  }
  for (const std::string& finding : shadow().findings()) text += "\n  " + finding;
  if (!shadow().findings().empty()) throw Error(text);
}

void Machine::run_block(unsigned number) {
  blockIdx = {number % gridDim.x, number / gridDim.x % gridDim.y, number / (gridDim.x * gridDim.y)};
  block = number + 1, epoch = 1, ++total.blocks;
  // 0xffffffff is a NaN: what is read before it is written shows even where accesses are not
  // watched.
  std::memset(shared_zone().memory, 0xff, shared_bytes);
  start(count_);
  while (live_ > 0) {
    Thread* t = next();
    if (t) resume(*t);
    else release_barrier();
    if (error_) {
      abandon();
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }
}

// After an error: the threads that wait somewhere in the kernel unwind out of it, so that their
// fibers can serve the next launch.
void Machine::abandon() {
  abandoned_ = true;
  for (unsigned i = 0; i < count_; ++i)
    if (threads_[i].inside) resume(threads_[i]);
  abandoned_ = false;
}

void Machine::start(unsigned n) {
  if (threads_.size() != kMaxThreads) threads_ = std::vector<Thread>(kMaxThreads);
  live_ = n, last_ = n - 1;
  for (unsigned i = 0; i < n; ++i) {
    Thread& t = threads_[i];
    t.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
    t.id = i, t.warp = i / kWarp, t.lane = i % kWarp, t.state = State::ready;
    t.copies.clear(), t.copy_groups = 0;
    if (!t.fiber)  // it lives on from block to block
      t.fiber = boost::context::fiber(std::allocator_arg, StackOfThread{i},
                                      [this, &t](boost::context::fiber&& scheduler) {
                                        t.scheduler = std::move(scheduler);
                                        fiber_main(t);
                                        return std::move(t.scheduler);
                                      });
  }
  unsigned warps_used = (n + kWarp - 1) / kWarp;
  order_.resize(warps_used);
  for (unsigned w = 0; w < warps_used; ++w) {
    unsigned lanes = std::min(kWarp, n - w * kWarp);
    warps[w].exists = warps[w].ready = lanes == kWarp ? ~0u : (1u << lanes) - 1;
    warps[w].left = 0;
    std::memset(warps[w].clock, 0, sizeof warps[w].clock);
    for (unsigned l = 0; l < kWarp; ++l) warps[w].clock[l][l] = 1;
    order_[w] = w;
  }
  if (seed() != 0)
    for (size_t w = warps_used; w > 1; --w) std::swap(order_[w - 1], order_[draw(w)]);
}

Thread* Machine::next() {
  if (seed() == 0) {  // the next one in order
    unsigned warps_used = unsigned(order_.size());
    unsigned w = last_ / kWarp, after = last_ % kWarp;
    unsigned later = after == 31 ? 0 : warps[w].ready & (~0u << (after + 1));
    for (unsigned k = 0; k <= warps_used; ++k) {
      if (later) {
        last_ = w * kWarp + unsigned(__builtin_ctz(later));
        return &threads_[last_];
      }
      w = (w + 1) % warps_used;
      later = warps[w].ready;
    }
    return nullptr;
  }
  for (unsigned w : order_)
    if (unsigned ready = warps[w].ready) {  // any of its lanes
      for (uint64_t skip = draw(unsigned(__builtin_popcount(ready))); skip; --skip)
        ready &= ready - 1;
      return &threads_[w * kWarp + unsigned(__builtin_ctz(ready))];
    }
  return nullptr;
}

void Machine::set_ready(Thread& t) {
  t.state = State::ready;
  warps[t.warp].ready |= 1u << t.lane;
}

void Machine::resume(Thread& t) {
  ++total.switches;
  threadIdx = t.index;
  running = &t;
#ifdef __SANITIZE_ADDRESS__
  void* own = nullptr;
  StackRange stack = stack_range(t.id);
  __sanitizer_start_switch_fiber(&own, stack.bottom, stack.bytes);
#endif
  t.fiber = std::move(t.fiber).resume();
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
#endif
  running = nullptr;
}

#ifdef __SANITIZE_ADDRESS__
static const void* scheduler_bottom;
static size_t scheduler_bytes;
#endif

void Machine::suspend(Thread& t) {
  warps[t.warp].ready &= ~(1u << t.lane);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&t.fake_stack, scheduler_bottom, scheduler_bytes);
#endif
  t.scheduler = std::move(t.scheduler).resume();
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(t.fake_stack, &scheduler_bottom, &scheduler_bytes);
#endif
}

namespace {
struct Abandoned {};
}  // namespace

void Machine::wait(Thread& t) {
  t.inside = true;
  suspend(t);
  t.inside = false;
  if (abandoned_) throw Abandoned{};
}

void Machine::fiber_main(Thread& t) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_bytes);
#endif
  for (;;) {
    try {
      call_(arguments_);
      leave(t);
    } catch (const Abandoned&) {
    } catch (...) { error_ = std::current_exception(); }
    t.state = State::left;
    suspend(t);
  }
}

// The thread returns from the kernel; lanes that waited for it may go on (CUDA: a mask's exited
// lanes are not waited for).
void Machine::leave(Thread& t) {
  t.state = State::left;
  --live_;
  Warp& w = warps[t.warp];
  w.left |= 1u << t.lane;
  for (unsigned l = 0; l < kWarp; ++l)
    if (w.exists >> l & 1) {
      Thread& other = threads_[t.warp * kWarp + l];
      if (other.state == State::in_warp_call && (other.mask >> t.lane & 1)) complete(w, other);
    }
}

int Machine::block_barrier(BarrierOp op, bool value, Site site) {
  Thread& t = *running;
  t.state = State::at_barrier, t.barrier = op, t.value = value, t.site = site;
  wait(t);
  return barrier_result_;
}

// Nobody can run: either all stand at the same barrier, or something is wrong.
void Machine::release_barrier() {
  const Thread& first = threads_[0];
  bool same = true;
  int votes = 0;
  for (unsigned i = 0; i < count_; ++i) {
    const Thread& t = threads_[i];
    same = same && t.state == State::at_barrier && t.barrier == first.barrier &&
           t.site.line == first.site.line && !std::strcmp(t.site.file, first.site.file);
    votes += int(t.value & 1);
  }
  if (!same) {
    error_ = std::make_exception_ptr(Error(deadlock()));
    return;
  }
  barrier_result_ = first.barrier == BarrierOp::any   ? votes > 0
                    : first.barrier == BarrierOp::all ? votes == int(count_)
                                                      : votes;
  ++epoch;
  for (unsigned i = 0; i < count_; ++i) set_ready(threads_[i]);
  last_ = count_ - 1;
  if (seed() != 0)
    for (size_t w = order_.size(); w > 1; --w) std::swap(order_[w - 1], order_[draw(w)]);
}

void* Machine::shared(size_t bytes) {
  if (bytes > shared_bytes)
    fail("shared<T>() needs " + std::to_string(bytes) + " bytes, the launch gave " +
         std::to_string(shared_bytes));
  return shared_zone().memory;
}

// ---- the calls that kernels make

static std::recursive_mutex one_launch_at_a_time;

void launch(dim3 grid, dim3 block, size_t shared_bytes, const void* kernel, void (*call)(void*),
            void* arguments) {
  std::lock_guard lock(one_launch_at_a_time);
  if (machine) machine->fail("a kernel launches a kernel");
  static Machine& the_machine = *new Machine;  // its fibers are never unwound
  struct Scope {
    Scope(Machine* m) { machine = m; }
    ~Scope() { machine = nullptr; }
  } scope(&the_machine);
  the_machine.launch(grid, block, shared_bytes, kernel, call, arguments);
}
uint64_t warp_call(WarpOp op, unsigned mask, uint64_t value, int operand, int width, Site site) {
  return machine->warp_call(op, mask, value, operand, width, site);
}
int block_barrier(BarrierOp op, bool value, Site site) {
  return machine->block_barrier(op, value, site);
}
void* shared_memory(size_t bytes) { return machine->shared(bytes); }

}  // namespace emulator
