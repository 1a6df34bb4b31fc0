// Elementwise ops: unary<Formula> and binary<Formula> make one of each formula of functors.h; what
// has no formula there (scale, convert, add_bias) follows.
#include "kernels/elementwise.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"
#include "kernels/reduction.h"
#include "kernels/rows.h"

namespace autodidact {

namespace {

template <class Op>
Tensor unary_forward(const char* name, const Tensor& x) {
  Tensor y = empty_like(x, name);
  dispatch(
      x,
      [&]<class T>(auto queue, T) {
        run(queue, UnaryForward<Op, T>{ptr<T>(y), ptr<T>(x), x.size()});
      },
      name);
  return y;
}

template <class Op>
Tensor unary(const char* name, const Tensor& x) {
  check_dtypes(name, x);
  Tensor y = unary_forward<Op>(name, x);
  // The derivative reads x or y, never both: only that one is kept. y can be made again from x.
  if constexpr (Op::kNeeds == Needs::y)
    return record(name, y, {x}, [y = save(y)](const Tensor& dy, GradSlots& d) {
      Tensor dx = d.activation(0);
      if (!dx) return;
      dispatch(dy, [&]<class T>(auto queue, T) {
        run(queue, UnaryBackward<Op, T>{ptr<T>(dx), ptr<T>(dy), nullptr, ptr<T>(*y), dy.size()});
      });
    });
  else if constexpr (Op::kNeeds == Needs::x) {
    const Saved kept = keep(x);
    return record(
        name, y, {x},
        [x = kept](const Tensor& dy, GradSlots& d) {
          Tensor dx = d.activation(0);
          if (!dx) return;
          dispatch(dy, [&]<class T>(auto queue, T) {
            run(queue,
                UnaryBackward<Op, T>{ptr<T>(dx), ptr<T>(dy), ptr<T>(*x), nullptr, dy.size()});
          });
        },
        remade(y, [name, x = kept] { return unary_forward<Op>(name, x); }));
  } else
    return record(name, y, {x}, [](const Tensor& dy, GradSlots& d) {
      Tensor dx = d.activation(0);
      if (!dx) return;
      dispatch(dy, [&]<class T>(auto queue, T) {
        run(queue, UnaryBackward<Op, T>{ptr<T>(dx), ptr<T>(dy), nullptr, nullptr, dy.size()});
      });
    });
}

// b's shape must be a's, or the end of it, or a single element.
bool repeats(const Tensor& b, const Tensor& a) {
  int skip = a.shape.rank() - b.shape.rank();
  bool ending = skip >= 0;
  for (int i = 0; ending && i < b.shape.rank(); ++i) ending = b.shape[i] == a.shape[skip + i];
  return ending || b.size() == 1;
}

template <class Op>
Tensor binary(const char* name, const Tensor& a, const Tensor& b) {
  check_dtypes(name, a, {{"b", b, a.dtype}}, "a");
  check(repeats(b, a), name,
        ": the second must be as the first, the end of its shape or one "
        "element, got ",
        a.shape, " and ", b.shape);
  const int columns = b.size() != a.size() ? int_size(name, b.size()) : 0;  // of the sum, if any
  Tensor z = empty_like(a, name);
  dispatch(
      a,
      [&]<class T>(auto queue, T) {
        run(queue, BinaryForward<Op, T>{ptr<T>(z), ptr<T>(a), ptr<T>(b), a.size(), b.size()});
      },
      name);
  return record(
      name, z, {a, b}, [a = save(a), b = save(b), columns](const Tensor& dz, GradSlots& d) {
        int64_t n = dz.size(), period = b->size();
        Tensor da = d.activation(0), db = d.activation(1);
        Tensor each = db && period < n ? empty_like(dz) : db;  // dz df/db before it is summed
        dispatch(dz, [&]<class T>(auto queue, T) {
          run(queue, BinaryBackward<Op, T>{ptr<T>(da), ptr<T>(each), ptr<T>(dz), ptr<T>(*a),
                                           ptr<T>(*b), n, period});
          if (!db || period == n) return;
          Tensor sum = empty(db.shape, acc(db.dtype), db.device());
          run(queue, SumRows<T>{ptr<Acc<T>>(sum), ptr<T>(each), n / period, columns});
          copy(db, sum);
        });
      });
}

}  // namespace

Tensor relu(const Tensor& x) { return unary<Relu>("relu", x); }
Tensor gelu(const Tensor& x) { return unary<Gelu>("gelu", x); }
Tensor silu(const Tensor& x) { return unary<Silu>("silu", x); }
Tensor tanh(const Tensor& x) { return unary<Tanh>("tanh", x); }
Tensor sigmoid(const Tensor& x) { return unary<Sigmoid>("sigmoid", x); }
Tensor softplus(const Tensor& x) { return unary<Softplus>("softplus", x); }
Tensor exp(const Tensor& x) { return unary<Exp>("exp", x); }
Tensor log(const Tensor& x) { return unary<Log>("log", x); }
Tensor square(const Tensor& x) { return unary<Square>("square", x); }
Tensor sqrt(const Tensor& x) { return unary<Sqrt>("sqrt", x); }
Tensor abs(const Tensor& x) { return unary<Abs>("abs", x); }
Tensor neg(const Tensor& x) { return unary<Neg>("neg", x); }

// The derivatives of a sum need no kernel where nothing is repeated: dz itself is handed on.
Tensor add(const Tensor& a, const Tensor& b) {
  if (!(a.shape == b.shape)) return binary<Add>("add", a, b);
  check_dtypes("add", a, {{"b", b, a.dtype}}, "a");
  Tensor z = empty_like(a);
  dispatch(a, [&]<class T>(auto queue, T) {
    run(queue, BinaryForward<Add, T>{ptr<T>(z), ptr<T>(a), ptr<T>(b), a.size(), a.size()});
  });
  return record("add", z, {a, b}, [](const Tensor& dz, GradSlots& d) {
    d.pass(0, dz);
    d.pass(1, dz);
  });
}
Tensor sub(const Tensor& a, const Tensor& b) { return binary<Sub>("sub", a, b); }
Tensor mul(const Tensor& a, const Tensor& b) { return binary<Mul>("mul", a, b); }
Tensor div(const Tensor& a, const Tensor& b) { return binary<Div>("div", a, b); }
Tensor maximum(const Tensor& a, const Tensor& b) { return binary<Maximum>("maximum", a, b); }

Tensor scale(const Tensor& x, double factor) {
  check_dtypes("scale", x);
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, ScaleShift<T>{ptr<T>(y), ptr<T>(x), x.size(), factor, 0});
  });
  return record("scale", y, {x}, [factor](const Tensor& dy, GradSlots& d) {
    Tensor dx = d.activation(0);
    if (!dx) return;
    dispatch(dy, [&]<class T>(auto queue, T) {
      run(queue, ScaleShift<T>{ptr<T>(dx), ptr<T>(dy), dy.size(), factor, 0});
    });
  });
}

Tensor scale_rows(const Tensor& x, const Tensor& factors) {
  check_dtypes("scale_rows", x, {{"factors", factors, acc(x.dtype)}});
  check(x.shape.rank() >= 1, "scale_rows: x must be [N, ..], got ", x.shape);
  const int rows = x.shape[0];
  check(factors.shape == Shape{rows}, "scale_rows: factors must be ", Shape{rows}, ", got ",
        factors.shape);
  check(!factors.node, "scale_rows: factors must ask for no gradient");
  const int64_t dim = Shape(x.shape.begin() + 1, x.shape.end()).size();
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, ScaleRows<T>{ptr<T>(y), ptr<const T>(x), ptr<const Acc<T>>(factors), rows, dim});
  });
  return record(
      "scale_rows", y, {x}, [factors = save(factors), rows, dim](const Tensor& dy, GradSlots& d) {
        Tensor dx = d.activation(0);
        if (!dx) return;
        dispatch(dy, [&]<class T>(auto queue, T) {
          run(queue,
              ScaleRows<T>{ptr<T>(dx), ptr<const T>(dy), ptr<const Acc<T>>(*factors), rows, dim});
        });
      });
}

Tensor convert(const Tensor& x, Dtype dtype) {
  check_dtypes("convert", x);
  check_floating("convert", "the result", dtype);
  return record("convert", cast(detach(x), dtype), {x},
                [from = x.dtype](const Tensor& dy, GradSlots& d) { d.pass(0, cast(dy, from)); });
}

Tensor add_bias(const Tensor& x, const Tensor& bias) {
  check_dtypes("add_bias", x, {{"bias", bias, acc(x.dtype)}});
  check(x.shape.rank() >= 1, "add_bias: x must be [.., C], got ", x.shape);
  check(bias.shape == Shape{x.shape.back()}, "add_bias: bias must be ", Shape{x.shape.back()},
        ", got ", bias.shape);
  int cols = x.shape.back();
  int64_t rows = rows_of(x.shape);
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, BiasAdd<T>{ptr<T>(y), ptr<T>(x), ptr<Acc<T>>(bias), rows, cols});
  });
  return record("add_bias", y, {x, bias}, [rows, cols](const Tensor& dy, GradSlots& d) {
    d.pass(0, dy);
    Tensor dbias = d.weight(1);
    if (!dbias) return;
    dispatch(dy, [&]<class T>(auto queue, T) {
      run(queue, SumRows<T>{ptr<Acc<T>>(dbias), ptr<T>(dy), rows, cols});
    });
  });
}

}  // namespace autodidact
