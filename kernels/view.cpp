// Views on the CPU: the one body of view-inl.h, compiled for every CPU class.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/view.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <cmath>
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/view.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {
#include "kernels/view-inl.h"
}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {

namespace plain {
#include "kernels/view-inl.h"
}  // namespace plain

template <class T>
void run(Cpu, RenderViews<T> p) {
  void (*render)(const RenderViews<T>&, int64_t) = plain::render_view<T>;
  if constexpr (!std::is_same_v<T, double>)
    render = for_cpu_class<void(const RenderViews<T>&, int64_t)>(
        plain::render_view<T>, N_AVX2::render_view<T>, N_AVX3::render_view<T>);
  parallel_for(p.views, 1, [&](int64_t view, int64_t) { render(p, view); });
}

template void run(Cpu, RenderViews<float>);
template void run(Cpu, RenderViews<bf16>);
template void run(Cpu, RenderViews<double>);

}  // namespace autodidact
#endif
