// The thread pool behind parallel_for, and each thread's stack of scratch memory. Read Pool::run
// (the calling thread's part) and Pool::work (a worker's) side by side.
#include "kernels/parallel.h"
#include <sched.h>
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace autodidact {
namespace {

int cpus_allowed() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

thread_local bool inside = false;  // this thread is running a chunk

struct Job {
  int64_t chunks;
  int threads;
  void (*body)(void*, int64_t);
  void* context;
};

// Workers wait for a new generation: a short spin first (training issues thousands of short
// kernels), then a sleep.
class Pool {
 public:
  // Fewer threads where the system gives no more of them.
  explicit Pool(int threads) {
    try {
      for (int t = 1; t < threads; ++t) workers_.emplace_back([this, t] { work(t); });
    } catch (const std::system_error&) {}
    threads_ = int(workers_.size()) + 1;
  }
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    for (auto& w : workers_) w.join();
  }
  int threads() const { return threads_; }

  void run(int64_t chunks, void (*body)(void*, int64_t), void* context) {
    std::lock_guard one_region_at_a_time(region_);
    job_ = {chunks, int(std::min<int64_t>(threads_, chunks)), body, context};
    first_failed_ = chunks;
    failure_ = nullptr;
    pending_.store(threads_ - 1, std::memory_order_relaxed);
    {
      std::lock_guard lock(mutex_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    run_share(0);
    for (int spin = 0; pending_.load(std::memory_order_acquire) != 0; ++spin) {
      if (spin < kSpins) pause();
      else std::this_thread::yield();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  static constexpr int kSpins = 2000;  // about 20-50 microseconds; longer waits give the core away
  static void pause() {
#if defined(__x86_64__)
    _mm_pause();
#endif
  }

  void work(int thread) {
    uint64_t seen = 0;
    while (true) {
      for (int spin = 0; spin < kSpins && generation_.load(std::memory_order_acquire) == seen;
           ++spin)
        pause();
      if (generation_.load(std::memory_order_acquire) == seen) {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
      }
      seen = generation_.load(std::memory_order_acquire);
      if (stop_) return;
      run_share(thread);
      pending_.fetch_sub(1, std::memory_order_release);
    }
  }

  void run_share(int thread) {
    if (thread >= job_.threads) return;
    int64_t begin = job_.chunks * thread / job_.threads,
            end = job_.chunks * (thread + 1) / job_.threads;
    inside = true;
    for (int64_t c = begin; c < end; ++c) {
      try {
        job_.body(job_.context, c);
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (c < first_failed_) first_failed_ = c, failure_ = std::current_exception();
        break;
      }
    }
    inside = false;
  }

  int threads_ = 1;
  std::vector<std::thread> workers_;
  std::mutex region_, mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> pending_{0};
  bool stop_ = false;
  Job job_{};
  int64_t first_failed_ = 0;
  std::exception_ptr failure_;
};

// The workers start with the first region that has work for two.
struct Threads {
  std::atomic<int> count{cpus_allowed()};
  std::mutex mutex;
  std::unique_ptr<Pool> pool;
};
Threads& threads() {
  static Threads t;
  return t;
}

Pool& started_pool() {
  Threads& t = threads();
  std::lock_guard lock(t.mutex);
  if (!t.pool) {
    t.pool = std::make_unique<Pool>(t.count);
    t.count = t.pool->threads();
  }
  return *t.pool;
}

}  // namespace

int thread_count() { return threads().count; }

void set_thread_count(int n) {
  if (n < 1) throw std::invalid_argument("set_thread_count: at least 1 thread");
  Threads& t = threads();
  std::lock_guard lock(t.mutex);
  if (n == t.count) return;
  t.pool = nullptr;
  t.count = n;
}

namespace detail {
void run_chunks(int64_t chunks, void (*body)(void*, int64_t), void* context) {
  if (chunks <= 0) return;
  if (inside || chunks == 1 || thread_count() == 1) {
    for (int64_t c = 0; c < chunks; ++c) body(context, c);
    return;
  }
  started_pool().run(chunks, body, context);
}
}  // namespace detail

// ---- scratch: a stack of bytes per thread

namespace {
std::atomic<size_t> all_peaks{0};

struct ScratchStack {
  struct Block {
    char* data;
    size_t size, used;
  };
  std::vector<Block> blocks;
  size_t in_use = 0, peak = 0;
  ~ScratchStack() {
    for (auto& b : blocks) ::operator delete(b.data, std::align_val_t(64));
  }
};
thread_local ScratchStack stack;
constexpr size_t kSmallestBlock = size_t(1) << 20;
}  // namespace

// At least one line of cache even for nothing: the destructor finds the block by its bytes.
ScratchBytes::ScratchBytes(size_t bytes) : bytes_((std::max(bytes, size_t(1)) + 63) / 64 * 64) {
  auto& blocks = stack.blocks;
  // The last block with room; empty blocks that are too small are replaced by a larger one.
  while (!blocks.empty() && blocks.back().used == 0 && blocks.back().size < bytes_) {
    ::operator delete(blocks.back().data, std::align_val_t(64));
    blocks.pop_back();
  }
  if (blocks.empty() || blocks.back().size - blocks.back().used < bytes_) {
    size_t size = std::max(kSmallestBlock, bytes_);
    blocks.push_back({static_cast<char*>(::operator new(size, std::align_val_t(64))), size, 0});
  }
  auto& b = blocks.back();
  data_ = b.data + b.used;
  b.used += bytes_;
  stack.in_use += bytes_;
  if (stack.in_use > stack.peak) {
    all_peaks += stack.in_use - stack.peak;
    stack.peak = stack.in_use;
  }
}

ScratchBytes::~ScratchBytes() {
  auto& blocks = stack.blocks;
  stack.in_use -= bytes_;
  // Of the emptied blocks at the top the largest is kept for the next kernel.
  auto owner = std::find_if(blocks.rbegin(), blocks.rend(), [&](auto& b) {
    return data_ >= b.data && static_cast<char*>(data_) + bytes_ <= b.data + b.size;
  });
  owner->used -= bytes_;
  while (blocks.size() > 1 && blocks.back().used == 0 && blocks[blocks.size() - 2].used == 0) {
    auto smaller = blocks.end() - (blocks.back().size < blocks[blocks.size() - 2].size ? 1 : 2);
    ::operator delete(smaller->data, std::align_val_t(64));
    blocks.erase(smaller);
  }
}

size_t scratch_high_water() { return all_peaks; }

}  // namespace autodidact
