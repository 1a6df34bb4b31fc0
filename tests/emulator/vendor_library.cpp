#include "vendor_library.h"
#include <cublasLt.h>
#include <cudnn.h>
#include <map>

namespace emulator {
namespace {

struct State {
  std::string hidden;
  std::map<std::string, int> calls;
};
State& state() {
  static State& s = *new State;
  return s;
}

using Functions = std::map<std::string, void*>;
#define FUNCTION(name) \
  { #name, reinterpret_cast < void*>(::name) }
const Functions kCublasLt = {FUNCTION(cublasLtGetVersion),
                             FUNCTION(cublasLtGetStatusName),
                             FUNCTION(cublasLtGetStatusString),
                             FUNCTION(cublasLtCreate),
                             FUNCTION(cublasLtMatmulDescCreate),
                             FUNCTION(cublasLtMatmulDescDestroy),
                             FUNCTION(cublasLtMatmulDescSetAttribute),
                             FUNCTION(cublasLtMatrixLayoutCreate),
                             FUNCTION(cublasLtMatrixLayoutDestroy),
                             FUNCTION(cublasLtMatrixLayoutSetAttribute),
                             FUNCTION(cublasLtMatmulPreferenceCreate),
                             FUNCTION(cublasLtMatmulPreferenceDestroy),
                             FUNCTION(cublasLtMatmulPreferenceSetAttribute),
                             FUNCTION(cublasLtMatmulAlgoGetHeuristic),
                             FUNCTION(cublasLtMatmul)};
const Functions kCudnn = {FUNCTION(cudnnGetVersion),
                          FUNCTION(cudnnGetErrorString),
                          FUNCTION(cudnnGetLastErrorString),
                          FUNCTION(cudnnCreate),
                          FUNCTION(cudnnSetStream),
                          FUNCTION(cudnnBackendCreateDescriptor),
                          FUNCTION(cudnnBackendDestroyDescriptor),
                          FUNCTION(cudnnBackendSetAttribute),
                          FUNCTION(cudnnBackendGetAttribute),
                          FUNCTION(cudnnBackendFinalize),
                          FUNCTION(cudnnBackendExecute)};
#undef FUNCTION

}  // namespace

void* open_library(const char* file) {
  const std::string name = file;
  if (name == state().hidden) return nullptr;
  const Functions* all = name == "libcublasLt.so.13" ? &kCublasLt
                         : name == "libcudnn.so.9"   ? &kCudnn
                                                     : nullptr;
  return const_cast<Functions*>(all);
}
void* find_function(void* library, const char* name) {
  const Functions& all = *static_cast<Functions*>(library);
  auto found = all.find(name);
  return found == all.end() || state().hidden == name ? nullptr : found->second;
}

void hide(const std::string& name) { state().hidden = name; }
int calls(const char* function) { return state().calls[function]; }

int called(const char* function) {
  ++state().calls[function];
  return injected(function);
}

}  // namespace emulator
