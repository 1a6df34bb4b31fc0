// The elementwise formulas, value and derivative, each written once over V: float, double, device
// float or a SIMD packet. To add one: a struct and a word in the list below it.
//
// No include guard and no namespace on purpose: kernels/scalar.h reads this file once in namespace
// autodidact, kernels/packet-inl.h once per CPU class (a function gets its instruction set where
// it is written, so the packets need their own reading). Include one of those two, never this.
// A formula has no branch and uses only exp, log, log1p, tanh, erf, sqrt, abs, fma, select, max,
// min, comparisons and arithmetic.

// y = f(x); df is dy/dx, given x and y so that it can use whichever is cheaper. kNeeds says which
// of the two it reads: the engine saves no more than that.
enum class Needs { x, y, none };

struct Relu {
  static constexpr Needs kNeeds = Needs::y;
  // Written so that NaN stays NaN, as in PyTorch.
  template <class V>
  HD static V f(V x) {
    return select(x <= V(0), V(0), x);
  }
  template <class V>
  HD static V df(V, V y) {
    return select(y > V(0), V(1), V(0));
  }
  // Chosen, not multiplied: a closed gate passes nothing, not infinity * 0 = NaN.
  template <class V>
  HD static V dx(V dy, V, V y) {
    return select(y > V(0), dy, V(0));
  }
};
struct Gelu {  // x Phi(x), the exact form: Hendrycks & Gimpel 2016
  static constexpr Needs kNeeds = Needs::x;
  template <class V>
  HD static V f(V x) {
    return V(0.5) * x * (V(1) + erf(x * V(0.70710678118654752440)));
  }
  template <class V>
  HD static V df(V x, V) {
    V cdf = V(0.5) * (V(1) + erf(x * V(0.70710678118654752440)));
    V density = V(0.39894228040143267794) * exp(V(-0.5) * x * x);
    return fma(x, density, cdf);
  }
};
struct Silu {  // x sigmoid(x)
  static constexpr Needs kNeeds = Needs::x;
  template <class V>
  HD static V f(V x) {
    return x / (V(1) + exp(-x));
  }
  template <class V>
  HD static V df(V x, V) {
    V s = V(1) / (V(1) + exp(-x));
    return s * fma(x, V(1) - s, V(1));
  }
};
struct Tanh {
  static constexpr Needs kNeeds = Needs::y;
  template <class V>
  HD static V f(V x) {
    return tanh(x);
  }
  template <class V>
  HD static V df(V, V y) {
    return V(1) - y * y;
  }
};
struct Sigmoid {
  static constexpr Needs kNeeds = Needs::y;
  template <class V>
  HD static V f(V x) {
    return V(1) / (V(1) + exp(-x));
  }
  template <class V>
  HD static V df(V, V y) {
    return y * (V(1) - y);
  }
};
struct Softplus {  // log(1 + e^x), from the side where e^-|x| cannot overflow; log1p keeps e^x
  static constexpr Needs kNeeds = Needs::x;
  template <class V>
  HD static V f(V x) {
    return max(x, V(0)) + log1p(exp(-abs(x)));
  }
  template <class V>
  HD static V df(V x, V) {
    return V(1) / (V(1) + exp(-x));
  }
};
struct Exp {
  static constexpr Needs kNeeds = Needs::y;
  template <class V>
  HD static V f(V x) {
    return exp(x);
  }
  template <class V>
  HD static V df(V, V y) {
    return y;
  }
};
struct Log {
  static constexpr Needs kNeeds = Needs::x;
  template <class V>
  HD static V f(V x) {
    return log(x);
  }
  template <class V>
  HD static V df(V x, V) {
    return V(1) / x;
  }
};
struct Square {
  static constexpr Needs kNeeds = Needs::x;
  template <class V>
  HD static V f(V x) {
    return x * x;
  }
  template <class V>
  HD static V df(V x, V) {
    return x + x;
  }
};
struct Sqrt {
  static constexpr Needs kNeeds = Needs::y;
  template <class V>
  HD static V f(V x) {
    return sqrt(x);
  }
  template <class V>
  HD static V df(V, V y) {
    return V(0.5) / y;
  }
};
struct Abs {
  static constexpr Needs kNeeds = Needs::x;
  template <class V>
  HD static V f(V x) {
    return abs(x);
  }
  template <class V>
  HD static V df(V x, V) {
    return select(x > V(0), V(1), select(x < V(0), V(-1), V(0)));
  }
};
struct Neg {
  static constexpr Needs kNeeds = Needs::none;
  template <class V>
  HD static V f(V x) {
    return -x;
  }
  template <class V>
  HD static V df(V, V) {
    return V(-1);
  }
};
#define UNARY_OPS(X) \
  X(Relu)            \
  X(Gelu) X(Silu) X(Tanh) X(Sigmoid) X(Softplus) X(Exp) X(Log) X(Square) X(Sqrt) X(Abs) X(Neg)

// dx by the chain rule, or as the formula itself says it.
template <class Op, class V>
HD V chain_rule(V dy, V x, V y) {
  if constexpr (requires { Op::dx(dy, x, y); }) return Op::dx(dy, x, y);
  else return dy * Op::df(x, y);
}

// z = f(a, b); da and db are dz/da and dz/db.
struct Add {
  template <class V>
  HD static V f(V a, V b) {
    return a + b;
  }
  template <class V>
  HD static V da(V, V) {
    return V(1);
  }
  template <class V>
  HD static V db(V, V) {
    return V(1);
  }
};
struct Sub {
  template <class V>
  HD static V f(V a, V b) {
    return a - b;
  }
  template <class V>
  HD static V da(V, V) {
    return V(1);
  }
  template <class V>
  HD static V db(V, V) {
    return V(-1);
  }
};
struct Mul {
  template <class V>
  HD static V f(V a, V b) {
    return a * b;
  }
  template <class V>
  HD static V da(V, V b) {
    return b;
  }
  template <class V>
  HD static V db(V a, V) {
    return a;
  }
};
struct Div {
  template <class V>
  HD static V f(V a, V b) {
    return a / b;
  }
  template <class V>
  HD static V da(V, V b) {
    return V(1) / b;
  }
  template <class V>
  HD static V db(V a, V b) {
    return -a / (b * b);
  }
};
struct Maximum {  // a tie gives half of the gradient to each; NaN from either side, as PyTorch
  template <class V>
  HD static V f(V a, V b) {
    return select(a > b, a, select(a <= b, b, a + b));
  }
  template <class V>
  HD static V da(V a, V b) {
    return select(a > b, V(1), select(a < b, V(0), V(0.5)));
  }
  template <class V>
  HD static V db(V a, V b) {
    return da(b, a);
  }
};
#define BINARY_OPS(X) X(Add) X(Sub) X(Mul) X(Div) X(Maximum)
