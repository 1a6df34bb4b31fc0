// Rows of a table on the CPU: copies, at the speed of memory on one thread.
#include "kernels/rows.h"
#include <algorithm>
#include "kernels/parallel.h"

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

template <class T>
void run(Cpu, ScaleRows<T> p) {
  parallel_for(p.rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t i = r * p.dim; i < (r + 1) * p.dim; ++i)
        p.y[i] = T(p.factors[r] * Acc<T>(p.x[i]));
  });
}

#define INSTANCES(T)                      \
  template void run(Cpu, GatherRows<T>);  \
  template void run(Cpu, ScatterRows<T>); \
  template void run(Cpu, ScaleRows<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
