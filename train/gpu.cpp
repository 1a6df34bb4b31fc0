#include "train/gpu.h"
#include "engine/check.h"
#if defined(HAS_CUDA)
#include "engine/cuda/driver.h"
#else
#include <dlfcn.h>
#endif

namespace autodidact {

#if defined(CUDA_EMULATED)
static constexpr bool kEmulated = true;
#else
static constexpr bool kEmulated = false;
#endif
#if defined(HAS_CUDA)
static constexpr bool kBuilt = true;
#else
static constexpr bool kBuilt = false;
#endif

#if defined(HAS_CUDA)

GpuFound find_gpu() {
  cuda::Found f = cuda::find_gpu();
  return {f.present, f.usable, kEmulated, f.count, f.name, f.driver, f.reason};
}

#else

// Asked of the driver's own library.
GpuFound find_gpu() {
  GpuFound out;
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) {
    out.reason = "no NVIDIA driver (libcuda.so.1) on this machine";
    return out;
  }
  auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  auto count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  auto version = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDriverGetVersion"));
  int v = 0;
  if (version && version(&v) == 0)
    out.driver = "CUDA " + std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10);
  int status = init && count ? init(0) : -1;
  if (status == 0) status = count(&out.count);
  if (status != 0) out.reason = "the driver answers with error " + std::to_string(status);
  else if (out.count == 0) out.reason = "the driver finds no GPU";
  else out.reason = "this program was built with -DCUDA=OFF";
  out.present = status == 0 && out.count > 0;
  dlclose(driver);
  return out;
}

#endif

Device choose_device(const std::string& name, const std::function<void(const std::string&)>& warn) {
  if (name == "cpu") return Device::cpu;
  if (name == "emulated" && !kEmulated)
    fail(ErrorKind::usage, "--device emulated: needs a program built with -DCUDA=EMULATED");
  if (name == "cuda" && kEmulated)
    fail(ErrorKind::device,
         "--device cuda: this program was built with -DCUDA=EMULATED; --device emulated runs the "
         "same kernels without a GPU");
  GpuFound gpu = find_gpu();
  if (name != "auto" && !gpu.usable)
    fail(ErrorKind::device, "--device ", name, ": ", gpu.reason, "; --device cpu always works");
  if (name != "auto") return Device::cuda;
  if (kEmulated) return Device::cpu;
  if (!gpu.usable && (gpu.present || kBuilt))
    warn("no GPU is used: " + gpu.reason + "; running on the CPU");
  return gpu.usable ? Device::cuda : Device::cpu;
}

std::string device_name(Device device) {
  return device == Device::cpu ? "cpu" : kEmulated ? "emulated" : "cuda";
}

}  // namespace autodidact
