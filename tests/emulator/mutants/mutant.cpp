// Compiled as host code: the emulator does not watch what lies here.
#include "mutant.h"
#include <cstdlib>

namespace mutants {

extern const int active = [] {
  const char* text = std::getenv("AUTODIDACT_MUTANT");
  return text ? std::atoi(text) : -1;
}();

static bool is_backwards = false;
bool turn(int64_t begin, int64_t end) {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  is_backwards = begin < end && (state >> 24) % 2 == 1;
  return is_backwards;
}
bool backwards() { return is_backwards; }

}  // namespace mutants
