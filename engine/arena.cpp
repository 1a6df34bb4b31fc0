// The arena's bookkeeping: two indexes of the free intervals (by place, to merge neighbours; by
// size, to find the best fit), a table of live blocks, and the guard zones of tests. Read allocate,
// then release.
#include "engine/arena.h"
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
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

// Host memory: pages exist as soon as they are touched.
class HostPages : public Pages {
 public:
  HostPages(char* base, size_t range) : Pages(base, range, kHugePage) {
#ifdef MADV_HUGEPAGE
    madvise(base, range, MADV_HUGEPAGE);  // a hint: without it the arena is only slower
#endif
  }
  ~HostPages() override { munmap(base(), range()); }
  bool map(size_t) override { return true; }
  void unmap(size_t i) override { madvise(base() + i * chunk(), chunk(), MADV_DONTNEED); }
  void fill(char* p, int byte, size_t bytes) override { std::memset(p, byte, bytes); }
  void read(void* to, const char* p, size_t bytes) override { std::memcpy(to, p, bytes); }
};

// The range is four times the limit so that fragmentation runs into the limit first.
std::unique_ptr<Pages> host_pages(size_t limit) {
  for (size_t range = round_up(4 * limit, kHugePage); range >= kHugePage; range /= 2) {
    range = round_up(range, kHugePage);
    void* p = mmap(nullptr, range, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p != MAP_FAILED) return std::make_unique<HostPages>(static_cast<char*>(p), range);
  }
  fail(ErrorKind::failure, "arena: no address space, asked for ", 4 * limit, " bytes and less");
}

}  // namespace

Arena::Arena(size_t limit) : Arena(host_pages(limit), limit) {}

Arena::Arena(std::unique_ptr<Pages> pages, size_t limit)
    : pages_(std::move(pages)),
      base_(pages_->base()),
      limit_(limit),
      mapped_(pages_->range() / pages_->chunk(), false) {
  insert_free(0, pages_->range());
}

Arena::~Arena() {
  ASAN_UNPOISON_MEMORY_REGION(base_, poisoned_);
  for (size_t i = 0; i < mapped_.size(); ++i)
    if (mapped_[i]) pages_->unmap(i);
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

// Memory under [begin, begin + size).
bool Arena::map(size_t begin, size_t size) {
  const size_t chunk = pages_->chunk();
  for (size_t i = begin / chunk; i * chunk < begin + size; ++i)
    if (!mapped_[i]) {
      if (!may_grow_ || !pages_->map(i)) return false;
      mapped_[i] = true;
    }
  return true;
}

void* Arena::allocate(size_t bytes, const char* op) {
  std::lock_guard lock(mutex_);
  size_t fence = guards_ ? kGuard : 0;
  bool sane = bytes <= limit_;
  size_t size = sane ? std::max(round_up(bytes, kAlignment), kAlignment) + 2 * fence : 0;
  auto fit = free_by_size_.lower_bound({size, 0});
  bool fits = sane && in_use_ + size <= limit_ && fit != free_by_size_.end();
  if (fits && !map(fit->second, size)) {
    if (!may_grow_)
      fail(ErrorKind::failure, op, ": the memory of a captured step would have to grow by ", bytes,
           " bytes; run the step once with its largest batch before it is captured");
    unmap_free();  // what lies in chunks without a tensor is better used here
    fits = map(fit->second, size);
  }
  if (!fits)
    fail(pages_->kind(), "out of memory: ", bytes, " bytes asked, ", in_use_, " in use, peak ",
         peak_, ", limit ", limit_, ", in ", op, "; a smaller batch needs less");
  auto [interval, begin] = *fit;
  free_by_size_.erase(fit);
  free_by_begin_.erase(begin);
  if (interval > size) insert_free(begin + size, interval - size);
  in_use_ += size;
  peak_ = std::max(peak_, in_use_);
  char* p = base_ + begin + fence;
  // Poison needs an eighth of what it covers: it goes ahead of the blocks, not over the whole
  // range.
  if (size_t ahead = std::min(pages_->range(), begin + size + kHugePage); ahead > poisoned_) {
    ASAN_POISON_MEMORY_REGION(base_ + poisoned_, ahead - poisoned_);
    poisoned_ = ahead;
  }
  ASAN_UNPOISON_MEMORY_REGION(p - fence, size);
  if (guards_) {
    pages_->fill(p - fence, kGuardByte, fence);
    pages_->fill(p, kFreshByte, bytes);
    pages_->fill(p + bytes, kGuardByte, size - fence - bytes);  // up to the block's end
  }
  live_[p] = {begin, size, guards_, bytes};
  return p;
}

// The text of the damage, or an empty one.
std::string Arena::broken_guard(const Block& b) const {
  if (!b.guarded) return {};
  std::vector<unsigned char> block(b.size);
  pages_->read(block.data(), base_ + b.begin, b.size);
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

void Arena::unmap_free() {
  const size_t chunk = pages_->chunk();
  for (auto& [begin, size] : free_by_begin_)
    for (size_t i = (begin + chunk - 1) / chunk; (i + 1) * chunk <= begin + size; ++i)
      if (mapped_[i]) {
        pages_->unmap(i);
        mapped_[i] = false;
      }
}

void Arena::give_back() {
  std::lock_guard lock(mutex_);
  unmap_free();
}

void Arena::allow_growth(bool on) {
  std::lock_guard lock(mutex_);
  may_grow_ = on;
}

void Arena::grow(size_t bytes) {
  std::lock_guard lock(mutex_);
  size_t end = mapped_.size();
  while (end > 0 && !mapped_[end - 1]) --end;
  size_t begin = end * pages_->chunk();
  map(begin, std::min(bytes, pages_->range() -
                                 begin));  // where that fails, so will the allocation, in words
}

bool Arena::owns(const void* p) const {
  auto* address = static_cast<const char*>(p);
  return address >= base_ && address < base_ + pages_->range();
}

const std::shared_ptr<Arena>& cpu_memory() {
  // Never destroyed: tensors with static lifetime may outlive any order of destruction.
  static auto& arena = *new std::shared_ptr<Arena>(
      std::make_shared<Arena>(size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGESIZE))));
  return arena;
}

}  // namespace autodidact
