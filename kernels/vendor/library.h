// The libraries as tables of functions, found by name at run time, so that the program also starts
// and works where they are not. And the one place where their statuses become errors in words.
#pragma once
#include <cublasLt.h>
#include <cudnn.h>
#include <string>
#include "kernels/vendor/vendor.h"

namespace autodidact::vendor {

// A shared library and why it cannot be used; empty: it can.
class Loaded {
 public:
  explicit Loaded(const char* file);
  const std::string& reason() const { return reason_; }

 protected:
  template <class F>
  F* function(const char* name) {
    return reinterpret_cast<F*>(symbol(name));
  }

 private:
  void* symbol(const char* name);
  const char* file_;
  void* library_;
  std::string reason_;
};

// Throws a LaunchFailure: "cublasLtMatmul of gemm<f32> m 3 ..: CUBLAS_STATUS_.. (13): text; ..".
[[noreturn]] void call_failed(const char* call, const std::string& shape, int status,
                              const std::string& name, const std::string& text);

// The major versions in the files' names are those of the headers that this is compiled with.
#define TEXT(macro) TEXT_OF(macro)
#define TEXT_OF(tokens) #tokens
struct CublasLt : Loaded {
  CublasLt() : Loaded("libcublasLt.so." TEXT(CUBLAS_VER_MAJOR)) {}
#define FUNCTION(member, name) decltype(::name)* member = function<decltype(::name)>(#name)
  FUNCTION(version, cublasLtGetVersion);
  FUNCTION(status_name, cublasLtGetStatusName);
  FUNCTION(status_text, cublasLtGetStatusString);
  FUNCTION(new_handle, cublasLtCreate);
  FUNCTION(new_operation, cublasLtMatmulDescCreate);
  FUNCTION(delete_operation, cublasLtMatmulDescDestroy);
  FUNCTION(set_operation, cublasLtMatmulDescSetAttribute);
  FUNCTION(new_layout, cublasLtMatrixLayoutCreate);
  FUNCTION(delete_layout, cublasLtMatrixLayoutDestroy);
  FUNCTION(set_layout, cublasLtMatrixLayoutSetAttribute);
  FUNCTION(new_preference, cublasLtMatmulPreferenceCreate);
  FUNCTION(delete_preference, cublasLtMatmulPreferenceDestroy);
  FUNCTION(set_preference, cublasLtMatmulPreferenceSetAttribute);
  FUNCTION(heuristic, cublasLtMatmulAlgoGetHeuristic);
  FUNCTION(matmul, cublasLtMatmul);

  // words() is asked for the shape of a call that failed.
  template <class Words>
  void check(cublasStatus_t status, const char* call, Words&& words) const {
    if (status != CUBLAS_STATUS_SUCCESS)
      call_failed(call, words(), status, status_name(status), status_text(status));
  }
};

struct Cudnn : Loaded {
  Cudnn() : Loaded("libcudnn.so." TEXT(CUDNN_MAJOR)) {}
#undef TEXT
#undef TEXT_OF
  FUNCTION(version, cudnnGetVersion);
  FUNCTION(status_name, cudnnGetErrorString);
  FUNCTION(last_error, cudnnGetLastErrorString);
  FUNCTION(new_handle, cudnnCreate);
  FUNCTION(set_stream, cudnnSetStream);
  FUNCTION(create, cudnnBackendCreateDescriptor);
  FUNCTION(destroy, cudnnBackendDestroyDescriptor);
  FUNCTION(set, cudnnBackendSetAttribute);
  FUNCTION(get, cudnnBackendGetAttribute);
  FUNCTION(finalize, cudnnBackendFinalize);
  FUNCTION(execute, cudnnBackendExecute);
#undef FUNCTION

  template <class Words>
  void check(cudnnStatus_t status, const char* call, Words&& words) const {
    if (status == CUDNN_STATUS_SUCCESS) return;
    char text[512] = "";
    last_error(text, sizeof text);
    call_failed(call, words(), status, status_name(status), text);
  }
};

// Loaded by the first call.
const CublasLt& cublaslt();
const Cudnn& cudnn();

}  // namespace autodidact::vendor
