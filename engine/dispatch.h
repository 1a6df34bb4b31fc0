// dispatch: the one run-time switch. It turns a tensor's device and dtype into types and calls
// f(queue, T{}).
#pragma once
#include <utility>
#include "engine/tensor.h"

namespace autodidact {

namespace detail {
// What the code inside may touch (tensor.h).
struct Reach {
  Device before;
  explicit Reach(Device device) : before(std::exchange(reachable, device)) {}
  ~Reach() { reachable = before; }
};
}  // namespace detail

// f(queue) where the tensor is; what a launch complains about becomes an Error.
template <class F>
void on_device(const Tensor& t, F&& f, [[maybe_unused]] const char* op = __builtin_FUNCTION()) {
  detail::Reach reach(t.device());
#if defined(HAS_CUDA)
  if (t.device() == Device::cuda) try {
      return f(cuda_queue());
    } catch (const LaunchFailure& e) { launch_failed(e, op); }
#endif
  f(Cpu{});
}

template <class F>
void dispatch(const Tensor& t, F&& f, const char* op = __builtin_FUNCTION()) {
  on_device(
      t,
      [&](auto queue) {
        switch (t.dtype) {
          case Dtype::f32:
            return f(queue, float{});
          case Dtype::bf16:
            return f(queue, bf16{});
          case Dtype::f64:  // exists for the gradient check, on the CPU alone
            if constexpr (std::is_same_v<decltype(queue), Cpu>) return f(queue, double{});
            break;
          default:
            break;
        }
        fail(t.device() == Device::cpu ? ErrorKind::failure : ErrorKind::device, op,
             ": no kernels for ", t.dtype, " on ", t.device());
      },
      op);
}

}  // namespace autodidact
