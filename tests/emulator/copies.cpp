// cp.async. The PTX ISA lets a copy take place at any time between its issue and the wait_group
// that waits for it. Here the bytes land as late as that: at the wait, and never where there is
// none. From issue to landing they belong to nobody: any access to them is a finding (shadow.cpp).
#include <algorithm>
#include <cstring>
#include "machine.h"
#include "shadow.h"

namespace emulator {

void copy_async(void* to, const void* from, int bytes, int read) {
  void* code = __builtin_return_address(0);
  Thread& t = *machine->running;
  auto misaligned = [&](const void* p) { return reinterpret_cast<uintptr_t>(p) % size_t(bytes); };
  if (misaligned(to) || (read && misaligned(from)))
    machine->fail("cp.async of " + std::to_string(bytes) + " bytes: an address is no multiple");
  if (read < 0 || read > bytes)
    machine->fail("cp.async of " + std::to_string(bytes) + " bytes reads " + std::to_string(read));
  if (!in_shared_zone(to)) machine->fail("cp.async to an address outside of shared memory");
  note_copy(to, size_t(bytes), false, code);
  if (read) note(from, size_t(read), Kind::read, code);
  OwnMemory scope;
  t.copies.push_back({to, from, size_t(bytes), size_t(read), code, t.copy_groups});
}

void commit_copies() { ++machine->running->copy_groups; }

void wait_copies(int pending) {
  Thread& t = *machine->running;
  auto lands = [&](const Copy& c) { return c.group + unsigned(pending) < t.copy_groups; };
  for (const Copy& c : t.copies) {
    if (!lands(c)) continue;
    note_copy(c.to, c.bytes, true, c.code);
    OwnMemory scope;
    if (c.read) std::memcpy(c.to, c.from, c.read);
    std::memset(static_cast<unsigned char*>(c.to) + c.read, 0, c.bytes - c.read);
  }
  OwnMemory scope;
  std::erase_if(t.copies, lands);
}

}  // namespace emulator
