#include "kernels/vendor/library.h"
#include <cstdlib>
#if defined(EMULATE_CUDA)
#include "vendor_library.h"  // tests/emulator: the stand-ins
#else
#include <dlfcn.h>
#endif

namespace autodidact::vendor {
namespace {

#if defined(EMULATE_CUDA)
constexpr Mode kDefaultMode = Mode::off;
void* open_library(const char* file) { return emulator::open_library(file); }
void* find(void* library, const char* name) { return emulator::find_function(library, name); }
#else
constexpr Mode kDefaultMode = Mode::strict;
void* open_library(const char* file) { return dlopen(file, RTLD_NOW | RTLD_LOCAL); }
void* find(void* library, const char* name) { return dlsym(library, name); }
#endif

Mode mode_from_environment() {
  const char* word = std::getenv("AUTODIDACT_VENDOR");
  if (!word || !*word) return kDefaultMode;
  for (auto [name, m] : {std::pair("off", Mode::off), {"strict", Mode::strict}, {"any", Mode::any}})
    if (std::string(word) == name) return m;
  throw std::runtime_error("AUTODIDACT_VENDOR must be off, strict or any, got " +
                           std::string(word));
}

Mode& current() {
  static Mode m = mode_from_environment();
  return m;
}

// Both number their versions as major * 10000 + minor * 100 + patch.
template <class T>
Library described(const char* name, const T& library) {
  if (!library.reason().empty()) return {name, "", library.reason()};
  const size_t v = library.version();
  std::string text = std::to_string(v / 10000) + "." + std::to_string(v % 10000 / 100) + "." +
                     std::to_string(v % 100);
  return {name, text, mode() == Mode::off ? "AUTODIDACT_VENDOR is off" : ""};
}

}  // namespace

Mode mode() { return current(); }
void set_mode(Mode m) { current() = m; }

Loaded::Loaded(const char* file) : file_(file), library_(open_library(file)) {
  if (!library_) reason_ = std::string(file) + " is not on this machine";
}

void* Loaded::symbol(const char* name) {
  void* f = library_ ? find(library_, name) : nullptr;
  if (library_ && !f && reason_.empty()) reason_ = std::string(file_) + " has no " + name;
  return f;
}

void call_failed(const char* call, const std::string& shape, int status, const std::string& name,
                 const std::string& text) {
  std::string what = name + " (" + std::to_string(status) + ")";
  throw LaunchFailure(-1, std::string(call) + " of " + shape,
                      (text.empty() || text == name ? what : what + ": " + text) +
                          "; AUTODIDACT_VENDOR=off does without the library");
}

const CublasLt& cublaslt() {
  static const CublasLt library;
  return library;
}
const Cudnn& cudnn() {
  static const Cudnn library;
  return library;
}

std::vector<Library> libraries() {
  return {described("cuBLASLt", cublaslt()), described("cuDNN", cudnn())};
}

}  // namespace autodidact::vendor
