// The emulated GPU's memory: ranges of this process's addresses that only kernels and copies may
// touch. Outside of them its pages are closed, so that host code which reads or writes device
// memory stops there, as it would with a GPU.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>

namespace emulator {

class DeviceMemory {
 public:
  // Addresses without memory; 0: none left. alignment: a power of two.
  uintptr_t reserve(size_t bytes, size_t alignment);
  bool unreserve(uintptr_t begin, size_t bytes);
  bool create(size_t bytes);  // takes from the capacity; false: not so much is left
  void destroy(size_t bytes);
  // Memory under [begin, begin + bytes), with contents that no program should read (NaN).
  bool map(uintptr_t begin, size_t bytes);
  bool unmap(uintptr_t begin, size_t bytes);

  void set_capacity(size_t bytes) { capacity_ = bytes; }
  size_t capacity() const { return capacity_; }
  size_t used() const { return used_; }
  void open(bool on);  // by Open alone

 private:
  bool inside_a_reservation(uintptr_t begin, size_t bytes) const;
  std::map<uintptr_t, size_t> reserved_, mapped_;
  size_t capacity_, used_ = 0;
  int opened_ = 0;

  DeviceMemory();
  friend DeviceMemory& device_memory();
};
DeviceMemory& device_memory();

// While one exists the memory may be touched.
struct Open {
  Open() { device_memory().open(true); }
  ~Open() { device_memory().open(false); }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
};

}  // namespace emulator
