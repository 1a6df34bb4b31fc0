// The functions that -fsanitize=thread makes device code call before each access to memory, in
// place of the compiler's own run-time library (which knows threads, not CUDA's barriers, and stops
// at 1024 fibers). Every one of them hands the access to shadow.h while a kernel runs, and does
// nothing else.
#include <atomic>
#include "shadow.h"

using emulator::Kind;
using emulator::note;
#define CODE __builtin_return_address(0)

extern "C" {

void __tsan_init() { emulator::watching = true; }
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

#define SIZE(n)                                                            \
  void __tsan_read##n(void* p) { note(p, n, Kind::read, CODE); }           \
  void __tsan_write##n(void* p) { note(p, n, Kind::write, CODE); }         \
  void __tsan_unaligned_read##n(void* p) { note(p, n, Kind::read, CODE); } \
  void __tsan_unaligned_write##n(void* p) { note(p, n, Kind::write, CODE); }
SIZE(1)
SIZE(2)
SIZE(4)
SIZE(8)
SIZE(16)
#undef SIZE

void __tsan_read_range(void* p, size_t n) { note(p, n, Kind::read, CODE); }
void __tsan_write_range(void* p, size_t n) { note(p, n, Kind::write, CODE); }
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}

// Block copies and fills are plain calls in instrumented code; the linker sends them here
// (-Wl,--wrap, cmake/device.cmake).
void* __real_memcpy(void*, const void*, size_t);
void* __real_memmove(void*, const void*, size_t);
void* __real_memset(void*, int, size_t);
void* __wrap_memcpy(void* to, const void* from, size_t n) {
  note(from, n, Kind::read, CODE), note(to, n, Kind::write, CODE);
  return __real_memcpy(to, from, n);
}
void* __wrap_memmove(void* to, const void* from, size_t n) {
  note(from, n, Kind::read, CODE), note(to, n, Kind::write, CODE);
  return __real_memmove(to, from, n);
}
void* __wrap_memset(void* to, int byte, size_t n) {
  note(to, n, Kind::write, CODE);
  return __real_memset(to, byte, n);
}

// std::atomic and the guards of static variables in the host half of a .cu file: the real
// operations.
#define ATOMIC(bits, T)                                                                     \
  T __tsan_atomic##bits##_load(const volatile T* p, int) {                                  \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                            \
  }                                                                                         \
  void __tsan_atomic##bits##_store(volatile T* p, T v, int) {                               \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                               \
  }                                                                                         \
  T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) {                               \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                     \
  }                                                                                         \
  T __tsan_atomic##bits##_fetch_add(volatile T* p, T v, int) {                              \
    return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                      \
  }                                                                                         \
  T __tsan_atomic##bits##_fetch_sub(volatile T* p, T v, int) {                              \
    return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                      \
  }                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* e, T v, int, int) {   \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  }                                                                                         \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* e, T v, int, int) {     \
    return __atomic_compare_exchange_n(p, e, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);  \
  }                                                                                         \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* p, T e, T v, int, int) {         \
    __atomic_compare_exchange_n(p, &e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);       \
    return e;                                                                               \
  }
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
#undef ATOMIC
void __tsan_atomic_thread_fence(int) { std::atomic_thread_fence(std::memory_order_seq_cst); }

}  // extern "C"
