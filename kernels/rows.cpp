// Rows of a table on the CPU: copies, at the speed of memory on one thread.
#include "kernels/rows.h"
#include <algorithm>

namespace autodidact {

template <class T>
void run(Cpu, GatherRows<T> p) {
  for (int64_t b = 0; b < p.count; ++b)
    std::copy_n(p.x + p.indices[b] * p.dim, p.dim, p.y + b * p.dim);
}

template <class T>
void run(Cpu, ScatterRows<T> p) {
  for (int64_t b = 0; b < p.count; ++b)
    std::copy_n(p.y + b * p.dim, p.dim, p.x + p.indices[b] * p.dim);
}

#define INSTANCES(T)                     \
  template void run(Cpu, GatherRows<T>); \
  template void run(Cpu, ScatterRows<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
