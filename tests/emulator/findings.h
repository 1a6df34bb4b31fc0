// For tests of the emulator: what launch() complains about, under fair and unfair turns.
#pragma once
#include <string>
#include <vector>
#include "emulator.h"

inline const std::vector<uint64_t> kSchedules = {0, 1, 2, 3};  // 0 is the fair one

// The emulator's complaint about f under a schedule; empty where it has none.
template <class F>
std::string findings(uint64_t schedule, F&& f) {
  uint64_t before = emulator::schedule();
  emulator::set_schedule(schedule);
  std::string text;
  try {
    f();
  } catch (const emulator::Error& e) { text = e.what(); }
  emulator::set_schedule(before);
  return text;
}
inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
