#include "device_memory.h"
#include <sys/mman.h>
#include <cstdlib>

namespace emulator {

// 4 GiB, or AUTODIDACT_EMULATOR_MEMORY in bytes.
DeviceMemory::DeviceMemory() : capacity_(size_t(4) << 30) {
  const char* text = std::getenv("AUTODIDACT_EMULATOR_MEMORY");
  if (text && *text) capacity_ = std::strtoull(text, nullptr, 10);
}

DeviceMemory& device_memory() {
  static DeviceMemory& memory = *new DeviceMemory;  // tensors of static lifetime may outlive it
  return memory;
}

// In plain words: the address sanitizer may hold the memory for nobody's.
static __attribute__((no_sanitize("address"))) void poison(uintptr_t begin, size_t bytes) {
  auto* p = reinterpret_cast<volatile uint64_t*>(begin);
  for (size_t i = 0; i < bytes / 8; ++i) p[i] = ~uint64_t(0);
}

uintptr_t DeviceMemory::reserve(size_t bytes, size_t alignment) {
  void* all = mmap(nullptr, bytes + alignment, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return 0;
  const auto first = reinterpret_cast<uintptr_t>(all);
  const uintptr_t begin = (first + alignment - 1) / alignment * alignment;
  if (begin > first) munmap(all, begin - first);
  munmap(reinterpret_cast<void*>(begin + bytes), first + alignment - begin);
#ifdef MADV_HUGEPAGE  // opening and closing it is then 500 times less work
  madvise(reinterpret_cast<void*>(begin), bytes, MADV_HUGEPAGE);
#endif
  reserved_[begin] = bytes;
  return begin;
}

bool DeviceMemory::unreserve(uintptr_t begin, size_t bytes) {
  auto found = reserved_.find(begin);
  if (found == reserved_.end() || found->second != bytes) return false;
  auto inside = mapped_.lower_bound(begin);
  if (inside != mapped_.end() && inside->first < begin + bytes) return false;
  munmap(reinterpret_cast<void*>(begin), bytes);
  reserved_.erase(found);
  return true;
}

bool DeviceMemory::create(size_t bytes) {
  if (bytes > capacity_ - used_) return false;
  used_ += bytes;
  return true;
}
void DeviceMemory::destroy(size_t bytes) { used_ -= bytes; }

bool DeviceMemory::inside_a_reservation(uintptr_t begin, size_t bytes) const {
  auto after = reserved_.upper_bound(begin);
  if (after == reserved_.begin()) return false;
  auto [first, size] = *std::prev(after);
  return begin + bytes <= first + size;
}

bool DeviceMemory::map(uintptr_t begin, size_t bytes) {
  auto after = mapped_.lower_bound(begin);
  bool taken = after != mapped_.end() && after->first < begin + bytes;
  if (after != mapped_.begin() && std::prev(after)->first + std::prev(after)->second > begin)
    taken = true;
  if (taken || !inside_a_reservation(begin, bytes)) return false;
  void* p = reinterpret_cast<void*>(begin);
  mprotect(p, bytes, PROT_READ | PROT_WRITE);
  poison(begin, bytes);
  if (opened_ == 0) mprotect(p, bytes, PROT_NONE);
  mapped_[begin] = bytes;
  return true;
}

bool DeviceMemory::unmap(uintptr_t begin, size_t bytes) {
  auto found = mapped_.find(begin);
  if (found == mapped_.end() || found->second != bytes) return false;
  void* p = reinterpret_cast<void*>(begin);
  madvise(p, bytes, MADV_DONTNEED);
  mprotect(p, bytes, PROT_NONE);
  mapped_.erase(found);
  return true;
}

void DeviceMemory::open(bool on) {
  opened_ += on ? 1 : -1;
  if (opened_ != (on ? 1 : 0)) return;  // one inside of another
  int rights = on ? PROT_READ | PROT_WRITE : PROT_NONE;
  for (auto it = mapped_.begin(); it != mapped_.end();) {  // neighbours in one call
    uintptr_t begin = it->first, end = begin;
    for (; it != mapped_.end() && it->first == end; ++it) end += it->second;
    mprotect(reinterpret_cast<void*>(begin), end - begin, rights);
  }
}

}  // namespace emulator
