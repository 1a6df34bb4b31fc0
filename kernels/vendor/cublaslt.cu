// Gemm on cuBLASLt. It reads matrices by columns: a row-major [r, c] with rows ld apart is to it
// the transpose, [c, r] with columns ld apart. C = op(A) op(B) is C^T = op(B)^T op(A)^T, so its
// first operand is our B, its second our A, each transposed as ours is; and a bias over our columns
// is one over its rows, which is what its epilogue adds.
#include <array>
#include <map>
#include <memory>
#include "kernels/elementwise.h"
#include "kernels/vendor/call.h"
#include "kernels/vendor/library.h"

namespace autodidact::vendor {
namespace {

template <class T>
constexpr bool kNarrow = std::is_same_v<T, bf16>;
template <class T>
constexpr cudaDataType_t kType = kNarrow<T> ? CUDA_R_16BF : CUDA_R_32F;

// What our own kernel does in its place: sums over nothing.
template <class T, class Out>
bool takes(const Gemm<T, Out>& p) {
  return mode() != Mode::off && p.k > 0 && cublaslt().reason().empty();
}

template <class T, class Out>
std::string words(const Gemm<T, Out>& p) {
  auto text = [](int64_t i) { return std::to_string(i); };
  std::string s = std::string("gemm<") + (kNarrow<T> ? "bf16" : "f32") +
                  (kNarrow<Out> == kNarrow<T> ? "" : ", f32") + "> m " + text(p.m) + " n " +
                  text(p.n) + " k " + text(p.k);
  if (p.batch > 1) s += " batch " + text(p.batch);
  if (p.transpose_a) s += ", A transposed";
  if (p.transpose_b) s += ", B transposed";
  if (p.bias) s += ", bias";
  return s + (p.relu ? ", relu" : "");
}

template <class T>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, cublasStatus_t (*)(T)>;

struct Plan {
  Owned<cublasLtMatmulDesc_t> operation;
  Owned<cublasLtMatrixLayout_t> a, b, c;  // of our A, B, C
  cublasLtMatmulHeuristicResult_t chosen{};
  bool found = false;  // there is an algorithm
};

cublasLtHandle_t handle(const CublasLt& lt) {
  static const cublasLtHandle_t h = [&] {
    cublasLtHandle_t made = nullptr;
    lt.check(lt.new_handle(&made), "cublasLtCreate", [] { return std::string("a handle"); });
    return made;
  }();
  return h;
}

// bias: as cuBLASLt gets it, in the type of C.
template <class T, class Out>
Plan make_plan(const CublasLt& lt, const Gemm<T, Out>& p, const Out* bias, size_t workspace) {
  auto check = [&](cublasStatus_t s, const char* call) {
    lt.check(s, call, [&] { return words(p); });
  };
  auto set = [&](auto* setter, auto& descriptor, auto attribute, auto value, const char* call) {
    check(setter(descriptor.get(), attribute, &value, sizeof value), call);
  };
  auto layout = [&](cudaDataType_t type, int rows, int columns, int64_t ld, int64_t stride) {
    cublasLtMatrixLayout_t made = nullptr;
    check(lt.new_layout(&made, type, uint64_t(columns), uint64_t(rows), ld),
          "cublasLtMatrixLayoutCreate");
    Owned<cublasLtMatrixLayout_t> l(made, lt.delete_layout);
    if (p.batch == 1) return l;
    const char* call = "cublasLtMatrixLayoutSetAttribute";
    set(lt.set_layout, l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, int32_t(p.batch), call);
    set(lt.set_layout, l, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, stride, call);
    return l;
  };
  // 32F without FAST_..: products of floats are floats', never TF32's.
  cublasLtMatmulDesc_t operation = nullptr;
  check(lt.new_operation(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
  Plan plan{
      {operation, lt.delete_operation},
      layout(kType<T>, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.lda, p.stride_a),
      layout(kType<T>, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.ldb, p.stride_b),
      layout(kType<Out>, p.m, p.n, p.ldc, p.stride_c)};
  auto set_operation = [&](cublasLtMatmulDescAttributes_t attribute, auto value) {
    set(lt.set_operation, plan.operation, attribute, value, "cublasLtMatmulDescSetAttribute");
  };
  set_operation(CUBLASLT_MATMUL_DESC_TRANSA, int32_t(p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N));
  set_operation(CUBLASLT_MATMUL_DESC_TRANSB, int32_t(p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N));
  const uint32_t epilogues[] = {CUBLASLT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_RELU,
                                CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS};
  set_operation(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogues[(bias ? 2 : 0) + (p.relu ? 1 : 0)]);
  if (bias) set_operation(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias));

  cublasLtMatmulPreference_t made = nullptr;
  check(lt.new_preference(&made), "cublasLtMatmulPreferenceCreate");
  Owned<cublasLtMatmulPreference_t> preference(made, lt.delete_preference);
  auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    set(lt.set_preference, preference, attribute, value, "cublasLtMatmulPreferenceSetAttribute");
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t(workspace));
  // Parts of a split k are added as floats, in a step of its own. Otherwise they would be rounded
  // to C's type, or added in the order in which they come.
  const bool in_place = mode() == Mode::any && !kNarrow<Out>;
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
         uint32_t(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE |
                  (in_place ? CUBLASLT_REDUCTION_SCHEME_INPLACE : 0)));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.b));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.a));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(p.c));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(p.c));

  int count = 0;
  cublasStatus_t status =
      lt.heuristic(handle(lt), plan.operation.get(), plan.b.get(), plan.a.get(), plan.c.get(),
                   plan.c.get(), preference.get(), 1, &plan.chosen, &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "cublasLtMatmulAlgoGetHeuristic");
  plan.found =
      status == CUBLAS_STATUS_SUCCESS && count > 0 && plan.chosen.state == CUBLAS_STATUS_SUCCESS;
  return plan;
}

// All that a plan depends on.
template <class T, class Out>
std::array<int64_t, 21> key_of(const Gemm<T, Out>& p, const Out* bias, size_t workspace) {
  const bool batched = p.batch > 1;
  return {int64_t(mode()),
          kNarrow<T>,
          kNarrow<Out>,
          p.m,
          p.n,
          p.k,
          p.lda,
          p.ldb,
          p.ldc,
          p.transpose_a,
          p.transpose_b,
          p.batch,
          batched ? p.stride_a : 0,
          batched ? p.stride_b : 0,
          batched ? p.stride_c : 0,
          p.relu,
          bias ? alignment_of(bias) : 0,
          alignment_of(p.a),
          alignment_of(p.b),
          alignment_of(p.c),
          int64_t(workspace)};
}

template <class T, class Out>
Plan& plan_of(const CublasLt& lt, const Gemm<T, Out>& p, const Out* bias, size_t workspace) {
  static auto& plans = *new std::map<std::array<int64_t, 21>, Plan>;
  const auto key = key_of(p, bias, workspace);
  auto found = plans.find(key);
  if (found == plans.end()) found = plans.emplace(key, make_plan(lt, p, bias, workspace)).first;
  return found->second;
}

}  // namespace

template <class T, class Out>
bool gemm(Cuda queue, const Gemm<T, Out>& p) {
  if (!takes(p)) return false;
  const CublasLt& lt = cublaslt();
  // The epilogue wants the bias in C's type.
  const bool rounds = p.bias && kNarrow<Out>;
  if (rounds && scratch_left(queue) < size_t(p.n) * sizeof(bf16)) return false;
  DeviceScratch<bf16> rounded(queue, rounds ? p.n : 0);
  const Out* bias = nullptr;
  if constexpr (kNarrow<Out>) bias = rounded.data();
  else bias = p.bias;
  const size_t workspace = scratch_left(queue);
  Plan& plan = plan_of(lt, p, bias, workspace);
  if (!plan.found) return false;

  auto check = [&](cublasStatus_t s, const char* call) {
    lt.check(s, call, [&] { return words(p); });
  };
  if (rounds) run(queue, Cast<bf16, float>{rounded.data(), p.bias, p.n});
  if (bias)
    check(lt.set_operation(plan.operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                           sizeof bias),
          "cublasLtMatmulDescSetAttribute");
  DeviceScratch<unsigned char> memory(queue, int64_t(plan.chosen.workspaceSize));
  check(lt.matmul(handle(lt), plan.operation.get(), &p.alpha, p.b, plan.b.get(), p.a, plan.a.get(),
                  &p.beta, p.c, plan.c.get(), p.c, plan.c.get(), &plan.chosen.algo, memory.data(),
                  plan.chosen.workspaceSize, queue.stream),
        "cublasLtMatmul");
  int64_t scales = 0;
  std::memcpy(&scales, &p.alpha, 4), std::memcpy(reinterpret_cast<char*>(&scales) + 4, &p.beta, 4);
  std::array<int64_t, 26> arguments{number(p.a), number(p.b), number(p.c), number(bias), scales};
  const auto key = key_of(p, bias, workspace);
  std::copy(key.begin(), key.end(), arguments.begin() + 5);
  note_call("cublasLtMatmul", arguments);
  return true;
}

template bool gemm(Cuda, const Gemm<float>&);
template bool gemm(Cuda, const Gemm<bf16>&);
template bool gemm(Cuda, const Gemm<bf16, float>&);

}  // namespace autodidact::vendor
