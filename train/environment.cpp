#include "train/environment.h"
#include <cairo.h>
#include <fmt/core.h>
#include <png.h>
#include <sys/utsname.h>
#include <toml++/toml.h>
#include <unistd.h>
#include <xxhash.h>
#include <cstdio>
#include <fstream>
#include <jpeglib.h>
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/vendor/vendor.h"
#include "train/gpu.h"

namespace autodidact {
namespace {

using Json = nlohmann::ordered_json;

std::string version(int64_t major, int64_t minor, int64_t patch) {
  return fmt::format("{}.{}.{}", major, minor, patch);
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0 && line.find(": ") != line.npos)
      return line.substr(line.find(": ") + 2);
  return "unknown";
}

// As -DCUDA was given.
const char* device_code([[maybe_unused]] const GpuFound& found) {
#if defined(HAS_CUDA)
  return found.emulated ? "EMULATED" : "ON";
#else
  return "OFF";
#endif
}

Json gpu(const GpuFound& found) {
  Json out = {{"usable", found.usable}, {"count", found.count}};
  out["driver"] = found.driver.empty() ? Json(nullptr) : Json(found.driver);
  out["reason"] = found.reason;
  out["vendor"] = Json::array();
#if defined(HAS_CUDA)
  if (found.usable)
    for (const vendor::Library& l : vendor::libraries())
      out["vendor"].push_back({{"name", l.name},
                               {"version", l.version},
                               {"used", l.reason.empty()},
                               {"reason", l.reason}});
#endif
  return out;
}

}  // namespace

nlohmann::ordered_json environment() {
  Json out;
  const GpuFound found = find_gpu();
  out["version"] = AUTODIDACT_VERSION;
#if defined(__clang__)
  out["compiler"] = "clang " + version(__clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  out["compiler"] = "gcc " + version(__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
#if defined(NDEBUG)
  out["build"] = "optimised";
#else
  out["build"] = "with assertions";
#endif
  out["device_code"] = device_code(found);
  out["cpu"] = {{"model", cpu_model()},
                {"class", name(cpu_class())},
                {"best_class", name(best_cpu_class())},
                {"bf16_instructions", cpu_has(CpuClass::avx512_bf16)},
                {"threads", thread_count()}};
  out["memory_bytes"] = int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  out["gpu"] = gpu(found);
  unsigned xxh = XXH_versionNumber();
  out["libraries"] = {
    {"highway", HIGHWAY_VERSION},
    {"fmt", version(FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
    {"nlohmann_json", version(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                              NLOHMANN_JSON_VERSION_PATCH)},
    {"tomlplusplus", version(TOML_LIB_MAJOR, TOML_LIB_MINOR, TOML_LIB_PATCH)},
    {"xxhash", version(xxh / 10000, xxh / 100 % 100, xxh % 100)},
    {"libpng", png_get_libpng_ver(nullptr)},
#if defined(LIBJPEG_TURBO_VERSION_NUMBER)
    {"libjpeg_turbo",
     version(LIBJPEG_TURBO_VERSION_NUMBER / 1000000, LIBJPEG_TURBO_VERSION_NUMBER / 1000 % 1000,
             LIBJPEG_TURBO_VERSION_NUMBER % 1000)},
#endif
    {"cairo", cairo_version_string()}
  };
  utsname system{};
  uname(&system);
  out["host"] = system.nodename;
  out["system"] = std::string(system.sysname) + " " + system.release + " " + system.machine;
  return out;
}

}  // namespace autodidact
