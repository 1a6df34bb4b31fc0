// Plain loops: they are bound by memory, and the compiler vectorises them for the baseline.
#include "kernels/memory.h"
#include "kernels/parallel.h"

namespace autodidact {
namespace {
constexpr int64_t kGrain = 1 << 16;  // elements a chunk
}

template <class T>
void run(Cpu, Fill<T> p) {
  parallel_for(p.n, kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) p.y[i] = p.value;
  });
}

template <class To, class From>
void run(Cpu, Convert<To, From> p) {
  parallel_for(p.n, kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if constexpr (std::is_same_v<From, bf16>) p.y[i] = To(float(p.x[i]));
      else p.y[i] = To(Acc<To>(p.x[i]));
    }
  });
}

template <class T>
void run(Cpu, Accumulate<T> p) {
  parallel_for(p.n, kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) p.y[i] = T(Acc<T>(p.y[i]) + Acc<T>(p.x[i]));
  });
}

template void run(Cpu, Fill<float>);
template void run(Cpu, Fill<bf16>);
template void run(Cpu, Fill<double>);
template void run(Cpu, Fill<int32_t>);
template void run(Cpu, Fill<int64_t>);
template void run(Cpu, Fill<uint8_t>);
template void run(Cpu, Convert<float, float>);
template void run(Cpu, Convert<float, bf16>);
template void run(Cpu, Convert<float, double>);
template void run(Cpu, Convert<bf16, float>);
template void run(Cpu, Convert<bf16, bf16>);
template void run(Cpu, Convert<bf16, double>);
template void run(Cpu, Convert<double, float>);
template void run(Cpu, Convert<double, bf16>);
template void run(Cpu, Convert<double, double>);
template void run(Cpu, Accumulate<float>);
template void run(Cpu, Accumulate<bf16>);
template void run(Cpu, Accumulate<double>);

}  // namespace autodidact
