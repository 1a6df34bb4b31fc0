// cuBLASLt for the emulated build: D = epilogue(alpha * op(A) op(B) + beta * C) over matrices that
// are read by columns. Its list of algorithms has traps: one that adds parts where they lie, one
// that rounds parts to D's type, one that needs more memory than there is, one that needs aligned
// addresses. Whoever takes one that was not asked for gets a wrong result or a status.
#include <cublasLt.h>
#include <algorithm>
#include <cstring>
#include <vector>
#include "cuda_emulator.h"
#include "kernels/types.h"
#include "vendor_library.h"

using autodidact::bf16;

struct cublasLtContext {};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType_t type;
  int64_t rows, columns, ld;
  int32_t batch = 1;
  int64_t stride = 0;
};
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct cublasLtMatmulPreferenceOpaque_t {
  uint64_t workspace = 0;
  uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t alignment[4] = {256, 256, 256, 256};  // of A, B, C, D
};

namespace {

using Layout = cublasLtMatrixLayoutOpaque_t;
using Operation = cublasLtMatmulDescOpaque_t;

// data[0] of an algorithm is its number.
struct Algorithm {
  uint32_t reduction;
  size_t workspace;
  uint32_t alignment;
  bool exact;  // else its results are visibly off
};
constexpr Algorithm kAlgorithms[] = {
    {CUBLASLT_REDUCTION_SCHEME_INPLACE, 0, 1, false},
    {CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE, 0, 1, false},
    {CUBLASLT_REDUCTION_SCHEME_NONE, size_t(1) << 30, 1, true},
    {CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, 64 << 10, 16, true},
    {CUBLASLT_REDUCTION_SCHEME_NONE, 4 << 10, 1, true},
};

#define REFUSES(function) \
  if (int status = emulator::called(#function)) return cublasStatus_t(status)

template <class T>
cublasStatus_t store(T& to, const void* value, size_t bytes) {
  if (!value || bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

bool has_bias(const Operation& o) { return o.epilogue & CUBLASLT_EPILOGUE_BIAS; }

// Rows and columns of op(matrix).
int64_t rows(const Layout& l, int32_t op) { return op == CUBLAS_OP_T ? l.columns : l.rows; }
int64_t columns(const Layout& l, int32_t op) { return op == CUBLAS_OP_T ? l.rows : l.columns; }

// What both the heuristic and the product itself say about a problem.
cublasStatus_t judge(const Operation& o, const Layout& a, const Layout& b, const Layout& c,
                     const Layout& d) {
  for (const Layout* l : {&a, &b, &c, &d})
    if (l->rows < 1 || l->columns < 1 || l->ld < l->rows || l->batch != d.batch)
      return CUBLAS_STATUS_INVALID_VALUE;
  const int64_t m = d.rows, n = d.columns, k = columns(a, o.transpose_a);
  if (rows(a, o.transpose_a) != m || rows(b, o.transpose_b) != k ||
      columns(b, o.transpose_b) != n || c.rows != m || c.columns != n)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (has_bias(o) && !o.bias) return CUBLAS_STATUS_INVALID_VALUE;
  if (o.compute != CUBLAS_COMPUTE_32F || o.scale != CUDA_R_32F || a.type != b.type ||
      c.type != d.type || (a.type == CUDA_R_32F && d.type != CUDA_R_32F))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  return CUBLAS_STATUS_SUCCESS;
}

double load(const void* p, cudaDataType_t type, int64_t i) {
  if (type == CUDA_R_16BF) return double(float(static_cast<const bf16*>(p)[i]));
  return double(static_cast<const float*>(p)[i]);
}

struct Product {
  Operation o;
  Layout la, lb, lc, ld;
  const void *a, *b, *c;
  void* d;
  float alpha, beta;
  bool exact;

  void operator()() const {
    const int64_t depth = columns(la, o.transpose_a);
    for (int64_t e = 0; e < ld.batch; ++e)
      for (int64_t j = 0; j < ld.columns; ++j)
        for (int64_t i = 0; i < ld.rows; ++i) {
          double sum = 0;
          for (int64_t k = 0; k < depth; ++k) {
            int64_t ia = o.transpose_a == CUBLAS_OP_T ? k + i * la.ld : i + k * la.ld;
            int64_t ib = o.transpose_b == CUBLAS_OP_T ? j + k * lb.ld : k + j * lb.ld;
            sum += load(a, la.type, e * la.stride + ia) * load(b, lb.type, e * lb.stride + ib);
          }
          double v = double(alpha) * sum;
          // C is not read where beta is 0.
          if (beta != 0) v += double(beta) * load(c, lc.type, e * lc.stride + i + j * lc.ld);
          if (has_bias(o)) v += load(o.bias, ld.type, i);  // of D's type; one for each row
          if (o.epilogue & CUBLASLT_EPILOGUE_RELU) v = std::max(v, 0.0);
          if (!exact) v *= 1.25;
          const int64_t at = e * ld.stride + i + j * ld.ld;
          if (ld.type == CUDA_R_16BF) static_cast<bf16*>(d)[at] = bf16(float(v));
          else static_cast<float*>(d)[at] = float(v);
        }
  }
};

bool is_aligned(const void* p, uint32_t to) { return reinterpret_cast<uintptr_t>(p) % to == 0; }

}  // namespace

size_t cublasLtGetVersion() { return 130100; }
const char* cublasLtGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "unknown status";
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_EXECUTION_FAILED ? "the function failed to launch on the GPU"
                                                  : cublasLtGetStatusName(status);
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  REFUSES(cublasLtCreate);
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type,
                                          uint64_t r, uint64_t c, int64_t ld) {
  REFUSES(cublasLtMatrixLayoutCreate);
  *layout = new Layout{type, int64_t(r), int64_t(c), ld};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* value, size_t bytes) {
  REFUSES(cublasLtMatrixLayoutSetAttribute);
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return store(layout->batch, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return store(layout->stride, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation,
                                        cublasComputeType_t compute, cudaDataType_t scale) {
  REFUSES(cublasLtMatmulDescCreate);
  *operation = new Operation{compute, scale};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  delete operation;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  REFUSES(cublasLtMatmulDescSetAttribute);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return store(operation->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return store(operation->transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return store(operation->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return store(operation->bias, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  REFUSES(cublasLtMatmulPreferenceCreate);
  *preference = new cublasLtMatmulPreferenceOpaque_t;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  REFUSES(cublasLtMatmulPreferenceSetAttribute);
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
    return store(preference->workspace, value, bytes);
  if (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
    return store(preference->reduction, value, bytes);
  const int operand = attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
  if (operand < 0 || operand > 3) return CUBLAS_STATUS_INVALID_VALUE;
  return store(preference->alignment[operand], value, bytes);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t o,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int room,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* count) {
  REFUSES(cublasLtMatmulAlgoGetHeuristic);
  *count = 0;
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (room < 1) return CUBLAS_STATUS_INVALID_VALUE;
  if (cublasStatus_t s = judge(*o, *a, *b, *c, *d)) return s;
  const uint32_t* aligned = preference->alignment;
  for (size_t i = 0; i < std::size(kAlgorithms) && *count < room; ++i) {
    const Algorithm& algorithm = kAlgorithms[i];
    if ((algorithm.reduction & ~preference->reduction) ||
        algorithm.workspace > preference->workspace ||
        *std::min_element(aligned, aligned + 4) < algorithm.alignment)
      continue;
    results[*count] = {{{i}}, algorithm.workspace, CUBLAS_STATUS_SUCCESS, 1, {}};
    ++*count;
  }
  return *count ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

// alpha and beta are the host's (the default pointer mode): read before this returns.
cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t o, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t la, const void* b,
                              cublasLtMatrixLayout_t lb, const void* beta, const void* c,
                              cublasLtMatrixLayout_t lc, void* d, cublasLtMatrixLayout_t ld,
                              const cublasLtMatmulAlgo_t* algo, void* workspace,
                              size_t workspace_bytes, cudaStream_t stream) {
  REFUSES(cublasLtMatmul);
  if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (cublasStatus_t s = judge(*o, *la, *lb, *lc, *ld)) return s;
  if (!algo || algo->data[0] >= std::size(kAlgorithms)) return CUBLAS_STATUS_INVALID_VALUE;
  const Algorithm& algorithm = kAlgorithms[algo->data[0]];
  if (workspace_bytes < algorithm.workspace || (algorithm.workspace && !workspace) ||
      !is_aligned(workspace, 16) || !a || !b || !d)
    return CUBLAS_STATUS_INVALID_VALUE;
  for (const void* p : {a, b, c, static_cast<const void*>(d)})
    if (!is_aligned(p, algorithm.alignment)) return CUBLAS_STATUS_NOT_SUPPORTED;
  Product product{*o, *la, *lb, *lc, *ld, a, b, c, d, 0, 0, algorithm.exact};
  std::memcpy(&product.alpha, alpha, sizeof(float));
  std::memcpy(&product.beta, beta, sizeof(float));
  int status = emulator::submit(stream, [=, bytes = algorithm.workspace] {
    if (bytes) std::memset(workspace, 0x7f, bytes);
    product();
  });
  return status ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}
