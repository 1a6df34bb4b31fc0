// What every op checks of its tensors before it runs, in the same words.
#pragma once
#include <initializer_list>
#include <limits>
#include "engine/tensor.h"

namespace autodidact {

// An operand beside x and the dtype it must have; an empty one (not given) is right.
struct Operand {
  const char* name;
  const Tensor& t;
  Dtype dtype;
};

inline void check_floating(const char* op, const char* what, Dtype d) {
  check(d == Dtype::f32 || d == Dtype::bf16 || d == Dtype::f64, op, ": ", what,
        " must be f32, bf16 or f64, got ", d);
}

// x holds floating-point numbers, and every other operand has its dtype.
inline void check_dtypes(const char* op, const Tensor& x,
                         std::initializer_list<Operand> others = {}, const char* x_name = "x") {
  check_floating(op, x_name, x.dtype);
  for (const Operand& o : others)
    check(!o.t || o.t.dtype == o.dtype, op, ": ", o.name, " must be ", o.dtype, ", got ",
          o.t.dtype);
}

// n where a kernel or a shape counts in int.
inline int int_size(const char* op, int64_t n) {
  check(n <= std::numeric_limits<int>::max(), op, ": sizes must be below 2^31, got ", n);
  return int(n);
}

// The product of all dimensions but the last; also where the last is 0.
inline int64_t rows_of(const Shape& s) { return Shape(s.begin(), s.end() - 1).size(); }

}  // namespace autodidact
