// In front of every mutated file (-include): one binary holds all mutants of its sources, and
// AUTODIDACT_MUTANT says which one is alive.
#pragma once
#include <cmath>
#include <cstdint>
#include <type_traits>

#define MUTANT(number) (mutants::active == (number))

namespace mutants {

extern const int active;  // const, so that reading it is no access that the emulator watches

// A sum whose order depends on who comes first: whether the walk over [begin, end) that starts now
// goes backwards is drawn anew each time, and backwards() tells until the next one starts.
bool turn(int64_t begin, int64_t end);
bool backwards();
inline int64_t last(int64_t begin, int64_t end, int64_t step) {
  return begin + (end - 1 - begin) / step * step;
}

// What is there instead of a zero: a number that shows.
template <class T>
inline __attribute__((always_inline)) T not_zero(bool alive, T zero) {
  if constexpr (std::is_floating_point_v<T>) return alive ? T(NAN) : zero;
  else return alive ? T(1) : zero;
}

}  // namespace mutants
