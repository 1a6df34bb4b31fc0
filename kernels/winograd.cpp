// Which convolutions go by Winograd's way.
#include "kernels/winograd.h"
#include <atomic>
#include "kernels/cpu_class.h"

namespace autodidact {

static std::atomic<bool> enabled{true};
bool winograd() { return enabled.load(std::memory_order_relaxed); }
void set_winograd(bool on) { enabled = on; }

bool winograd_pays(const ConvSizes& s, ConvPass) {
  return s.kh == 3 && s.kw == 3 && s.stride == 1 && s.padding == 1 && s.dilation == 1 &&
         winograd() && cpu_class() != CpuClass::plain && s.c_in >= 8 && s.c_out >= 8;
}

}  // namespace autodidact
