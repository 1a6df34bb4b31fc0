// The arena's bookkeeping: two indexes of the free intervals (by place, to merge neighbours; by
// size, to find the best fit), a table of live blocks, and the guard zones of tests. Read allocate,
// then release.
#include "engine/arena.h"
#include <sys/mman.h>
#include <unistd.h>
#include <cstdint>
#include <cstring>
#include <utility>
#include "engine/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

namespace autodidact {
namespace {
constexpr unsigned char kGuardByte = 0xa5, kFreshByte = 0xff;
constexpr size_t kHugePage = size_t(2) << 20;
size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
}  // namespace

// The range is four times the limit so that fragmentation runs into the limit first; no page exists
// until it is touched.
Arena::Arena(size_t limit) : limit_(limit) {
  for (range_ = round_up(4 * limit, kHugePage); range_ >= kHugePage; range_ /= 2) {
    void* p = mmap(nullptr, range_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) {
      base_ = static_cast<char*>(p);
      break;
    }
  }
  if (!base_)
    fail(ErrorKind::failure, "arena: no address space, asked for ", 4 * limit, " bytes and less");
#ifdef MADV_HUGEPAGE
  madvise(base_, range_, MADV_HUGEPAGE);  // a hint: without it the arena is only slower
#endif
  insert_free(0, range_);
}

Arena::~Arena() {
  ASAN_UNPOISON_MEMORY_REGION(base_, poisoned_);
  munmap(base_, range_);
}

void Arena::insert_free(size_t begin, size_t size) {
  auto next = free_by_begin_.lower_bound(begin);
  if (next != free_by_begin_.begin()) {
    auto before = std::prev(next);
    if (before->first + before->second == begin) {
      begin = before->first, size += before->second;
      free_by_size_.erase({before->second, before->first});
      free_by_begin_.erase(before);
    }
  }
  if (next != free_by_begin_.end() && begin + size == next->first) {
    size += next->second;
    free_by_size_.erase({next->second, next->first});
    free_by_begin_.erase(next);
  }
  free_by_begin_[begin] = size;
  free_by_size_.insert({size, begin});
}

void* Arena::allocate(size_t bytes) {
  std::lock_guard lock(mutex_);
  size_t fence = guards_ ? kGuard : 0;
  bool sane = bytes <= limit_;
  size_t size = sane ? std::max(round_up(bytes, kAlignment), kAlignment) + 2 * fence : 0;
  auto fit = free_by_size_.lower_bound({size, 0});
  if (!sane || in_use_ + size > limit_ || fit == free_by_size_.end())
    fail(ErrorKind::failure, "out of memory: ", bytes, " bytes asked, ", in_use_, " in use, peak ",
         peak_, ", limit ", limit_, "; a smaller batch needs less");
  auto [interval, begin] = *fit;
  free_by_size_.erase(fit);
  free_by_begin_.erase(begin);
  if (interval > size) insert_free(begin + size, interval - size);
  in_use_ += size;
  peak_ = std::max(peak_, in_use_);
  char* p = base_ + begin + fence;
  // Poison needs an eighth of what it covers: it goes ahead of the blocks, not over the whole
  // range.
  if (size_t ahead = std::min(range_, begin + size + kHugePage); ahead > poisoned_) {
    ASAN_POISON_MEMORY_REGION(base_ + poisoned_, ahead - poisoned_);
    poisoned_ = ahead;
  }
  ASAN_UNPOISON_MEMORY_REGION(p - fence, size);
  if (guards_) {
    std::memset(p - fence, kGuardByte, fence);
    std::memset(p, kFreshByte, bytes);
    std::memset(p + bytes, kGuardByte, size - fence - bytes);  // up to the block's end
  }
  live_[p] = {begin, size, guards_, bytes};
  return p;
}

// The text of the damage, or an empty one.
std::string Arena::broken_guard(const Block& b) const {
  if (!b.guarded) return {};
  const auto* block = reinterpret_cast<const unsigned char*>(base_ + b.begin);
  for (size_t i = 0; i < b.size; ++i) {
    bool inside = i >= kGuard && i < kGuard + b.asked;
    if (!inside && block[i] != kGuardByte)
      return "arena: guard zone overwritten, block of " + std::to_string(b.asked) +
             " bytes, at byte " + std::to_string(int64_t(i) - int64_t(kGuard));
  }
  return {};
}

void Arena::release(void* p) {
  std::lock_guard lock(mutex_);
  auto found = live_.find(p);
  check(found != live_.end(), "arena: release of memory that it did not give");
  Block b = found->second;
  live_.erase(found);
  in_use_ -= b.size;
  if (std::string damage = broken_guard(b); !damage.empty()) damage_ = damage;
  ASAN_POISON_MEMORY_REGION(base_ + b.begin, b.size);
  insert_free(b.begin, b.size);
}

size_t Arena::in_use() const {
  std::lock_guard lock(mutex_);
  return in_use_;
}
size_t Arena::peak() const {
  std::lock_guard lock(mutex_);
  return peak_;
}
void Arena::reset_peak() {
  std::lock_guard lock(mutex_);
  peak_ = in_use_;
}
void Arena::set_guards(bool on) {
  std::lock_guard lock(mutex_);
  guards_ = on;
}

void Arena::check_guards() {
  std::lock_guard lock(mutex_);
  for (auto& [p, block] : live_)
    if (std::string damage = broken_guard(block); !damage.empty()) damage_ = damage;
  std::string damage = std::exchange(damage_, {});
  check(damage.empty(), damage);
}

void Arena::give_back() {
  std::lock_guard lock(mutex_);
  for (auto& [begin, size] : free_by_begin_) {
    size_t first = round_up(begin, 4096), last = (begin + size) / 4096 * 4096;
    if (last > first) madvise(base_ + first, last - first, MADV_DONTNEED);
  }
}

Arena& cpu_arena() {
  // Never destroyed: tensors with static lifetime may outlive any order of destruction.
  static Arena& arena = *new Arena(size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGESIZE)));
  return arena;
}

}  // namespace autodidact
