// Runs CUDA kernels on one CPU thread, a fiber per CUDA thread, and judges how they synchronise.
// This is the face that tests see; cuda_emulator.h is the face that kernels see, README.md says how
// it works.
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace emulator {

// What a kernel did wrong, one line per finding: a race, a deadlock, a wrong mask, a read of shared
// memory that nothing has written, an access outside of a buffer. Thrown by launch().
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// How turns are given. Seed 0 is fair: threads and blocks in order, each as far as its next barrier
// or warp operation. Any other seed is unfair: one warp runs as far as it can before the next may
// start; warps, lanes and blocks are drawn by the seed. The initial seed is 1, or
// AUTODIDACT_EMULATOR_SEED.
void set_schedule(uint64_t seed);
uint64_t schedule();

// True where the kernels' memory accesses are watched (races, bounds, unwritten shared memory):
// they are compiled with -fsanitize=thread and linked with the emulator in place of its run time.
// False in builds with another sanitizer, which excludes that.
bool watches_memory();
void watch(bool on);  // for tests: without the watching only the values can show a race

// Bytes that no kernel may touch: the zones around a test's buffers. permit() forgets them again.
void forbid(const void* begin, size_t bytes);
void permit(const void* begin);

// ---- the emulated runtime (runtime.cpp): what can go wrong with a GPU

// A later call of `function` (a name of the CUDA API, or "launch") answers with this status and
// does nothing: the next one, or after so many more. 700 to 719 is sticky: from then on every call
// answers with it. "cudaDriverGetVersion" (-1: none) and "computeCapability" give the value itself.
// The environment's AUTODIDACT_EMULATOR_FAIL="function:status:after ..." does the same.
void inject(const std::string& function, int status, int after = 0);
void reset_device();  // forgets injections, sticky errors and work that waits
void set_device_memory(size_t bytes);
size_t device_memory_used();

struct Counters {
  uint64_t launches, blocks, switches, accesses;
};
Counters counters();  // since the program started

}  // namespace emulator
