// dispatch: the one run-time switch. It turns a tensor's device and dtype into types and calls
// f(queue, T{}).
#pragma once
#include "engine/tensor.h"

namespace autodidact {

template <class F>
void dispatch(const Tensor& t, F&& f) {
  if (t.device() == Device::cpu) switch (t.dtype) {
      case Dtype::f32:
        return f(Cpu{}, float{});
      case Dtype::bf16:
        return f(Cpu{}, bf16{});
      case Dtype::f64:
        return f(Cpu{}, double{});  // exists for the gradient check
      default:
        break;
    }
  fail(ErrorKind::device, "no kernels for ", t.dtype, " on ", t.device());
}

}  // namespace autodidact
