// Where a tensor's memory lies and its kernels run.
#pragma once
#include <ostream>
#include "kernels/platform.h"

namespace autodidact {

enum class Device : uint8_t { cpu, cuda };  // in the emulated build, cuda is the emulator

inline std::ostream& operator<<(std::ostream& out, Device d) {
  return out << (d == Device::cpu ? "cpu" : "cuda");
}

}  // namespace autodidact
