// Memory of the machine: one stack for each of the 1024 possible threads of a block, with a guard
// page below it, and the shared memory. Both are mapped once and used by every launch.
#include "stacks.h"
#include <sys/mman.h>
#include <new>
#include "machine.h"

namespace emulator {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr size_t kStack = 256 << 10;
#else
constexpr size_t kStack = 64 << 10;
#endif
constexpr size_t kPage = 4096, kStride = kStack + kPage, kZone = 64 << 10;

unsigned char* map(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return static_cast<unsigned char*>(p);
}

unsigned char* stacks() {
  static unsigned char* const first = [] {
    unsigned char* p = map(kMaxThreads * kStride);
    for (unsigned t = 0; t < kMaxThreads; ++t) mprotect(p + t * kStride, kPage, PROT_NONE);
    return p;
  }();
  return first;
}

}  // namespace

boost::context::stack_context StackOfThread::allocate() const {
  boost::context::stack_context s;
  s.size = kStack;
  s.sp = stacks() + (thread + 1) * kStride;  // a stack grows downwards from its end
  return s;
}
StackRange stack_range(unsigned thread) { return {stacks() + thread * kStride + kPage, kStack}; }

bool on_a_stack(uintptr_t address) {
  static const uintptr_t first = reinterpret_cast<uintptr_t>(stacks());
  return address - first < kMaxThreads * kStride;
}

bool in_shared_zone(const void* address) {
  const SharedZone& zone = shared_zone();
  uintptr_t begin = reinterpret_cast<uintptr_t>(zone.begin);
  return reinterpret_cast<uintptr_t>(address) - begin < uintptr_t(zone.end - zone.begin);
}

const SharedZone& shared_zone() {
  static const SharedZone zone = [] {
    unsigned char* p = map(2 * kZone + kMaxShared);
    return SharedZone{p, p + kZone, p + 2 * kZone + kMaxShared};
  }();
  return zone;
}

}  // namespace emulator
