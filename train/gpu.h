// The GPU of this machine, and the device that a command runs on.
#pragma once
#include <functional>
#include <string>
#include "engine/device.h"

namespace autodidact {

struct GpuFound {
  bool present = false, usable = false;
  bool emulated = false;  // it is this build's emulator, which is used only where it is named
  int count = 0;
  std::string name, driver, reason;  // driver: "CUDA 13.0", or ""; reason: why it is not usable
};
// Also a build without device code looks, so that it can say what it leaves unused.
GpuFound find_gpu();

// What --device means: auto, cpu, cuda, emulated. auto takes a GPU that is usable, otherwise the
// CPU, and says so where one could be expected: there is a GPU, or the program was built for one.
// ErrorKind::device: cuda or emulated without one; ::usage: a name that this build does not have.
Device choose_device(const std::string& name, const std::function<void(const std::string&)>& warn);
std::string device_name(Device device);  // cpu, cuda, emulated

}  // namespace autodidact
