// The vendor's libraries behind the argument structs of gemm.h and conv.h: cuBLASLt and cuDNN 9,
// loaded at run time. A call that returns false has done nothing, and our own kernel does the work:
// where the library is not there or has no plan for the case (cublaslt.cu, cudnn.cu: takes()), and
// where the mode says so. A call of a library that fails is a LaunchFailure that names it.
// Plans are kept by shape, for the life of the process; one thread calls, that of the queue.
#pragma once
#include <string>
#include <vector>
#include "kernels/conv.h"
#include "kernels/gemm.h"

#if defined(HAS_CUDA)
namespace autodidact::vendor {

struct Library {
  std::string name, version;  // "cuBLASLt", "13.1.0"
  std::string reason;         // why it is not used; empty: it is
};

#if defined(HAS_VENDOR)
enum class Mode {
  off,     // our own kernels alone
  strict,  // only algorithms that give the same bytes every time
  any      // also those that do not
};
// From AUTODIDACT_VENDOR=off|strict|any. Without it strict; in the emulated build off, whose
// subject is our own kernels. Throws std::runtime_error on another word.
Mode mode();
void set_mode(Mode);

std::vector<Library> libraries();  // loads them; needs no GPU

// Both take what is left of the queue's workspace into account: a plan that needs more is not made.
template <class T, class Out>
bool gemm(Cuda, const Gemm<T, Out>&);
template <class T>
bool conv(Cuda, const ConvForward<T>&);
template <class T>
bool conv(Cuda, const ConvBackwardData<T>&);
template <class T>  // dw alone
bool conv(Cuda, const ConvBackwardWeights<T>&);
#else  // -DVENDOR=OFF
inline std::vector<Library> libraries() { return {}; }
template <class P>
bool gemm(Cuda, const P&) {
  return false;
}
template <class P>
bool conv(Cuda, const P&) {
  return false;
}
#endif

}  // namespace autodidact::vendor
#endif
