// Rows and refusals of the elementwise ops; tests/kernels/test_elementwise.cpp has the formulas.
#include "tests/op_cases.h"

namespace autodidact {

namespace {

using Op = Tensor (*)(const Tensor&);
using Op2 = Tensor (*)(const Tensor&, const Tensor&);

OpCase unary(const char* name, Op op, double low = -1.5, double high = 1.5) {
  return {name,
          {{{1}}, {{3, 7}}, {{129}}, {{20000}}, {{0, 7}}},
          [op](auto& v) { return op(v[0]); },
          low,
          high};
}
WrongCase not_integers(const char* name, Op op) {
  return {name,
          {{3}},
          [op](auto& v) { return op(empty(v[0].shape, Dtype::i32)); },
          std::string(name) + ": x must be f32, bf16 or f64, got i32"};
}
// Equal shapes, a row repeated, one element repeated.
OpCase binary(const char* name, Op2 op, double low = -1.5, double high = 1.5) {
  return {name,
          {{{1}, {1}},
           {{3, 7}, {3, 7}},
           {{20000}, {20000}},
           {{5, 9}, {9}},
           {{2, 3, 4}, {3, 4}},
           {{6, 5}, {1}},
           {{0, 9}, {9}},
           {{0}, {0}}},
          [op](auto& v) { return op(v[0], v[1]); },
          low,
          high};
}
WrongCase not_together(const char* name, Op2 op) {
  return {name,
          {{4, 3}, {4}},
          [op](auto& v) { return op(v[0], v[1]); },
          std::string(name) +
              ": the second must be as the first, the end of its shape or one element, got [4, 3] "
              "and [4]"};
}

}  // namespace

// 0, 0.75, 1.5, ..
static Tensor factors_for(const Tensor& x) {
  Tensor factors = empty({x.shape[0]});
  for (int r = 0; r < x.shape[0]; ++r) ptr<float>(factors)[r] = 0.75f * float(r);
  return to_device(cast(factors, acc(x.dtype)), x.device());
}

OpFamily elementwise_cases() {
  return {{
              unary("relu", relu),
              unary("gelu", gelu),
              unary("silu", silu),
              unary("tanh", tanh),
              unary("sigmoid", sigmoid),
              unary("softplus", softplus),
              unary("exp", exp),
              unary("log", log, 0.3, 3),
              unary("square", square),
              unary("sqrt", sqrt, 0.3, 3),
              unary("abs", abs),
              unary("neg", neg),
              binary("add", add),
              binary("sub", sub),
              binary("mul", mul),
              binary("div", div, 0.5, 2),
              binary("maximum", maximum),
              {"scale", {{{1}}, {{3, 7}}, {{20000}}}, [](auto& v) { return scale(v[0], -1.7); }},
              {.op = "add_bias",
               .sizes = {{{1, 1}, {1}},
                         {{5, 9}, {9}},
                         {{3, 4, 16}, {16}},
                         {{700, 33}, {33}},
                         {{0, 9}, {9}},
                         {{4, 0}, {0}}},
               .call = [](auto& v) { return add_bias(v[0], v[1]); },
               .parameters = {1}},
              {.op = "scale_rows",
               .sizes = {{{1, 1}}, {{5, 3, 7}}, {{3, 700}}, {{0, 4}}, {{2, 0}}},
               .call = [](auto& v) { return scale_rows(v[0], factors_for(v[0])); },
               .definition =
                   [](const std::vector<std::vector<double>>& v, const std::vector<Shape>& s) {
                     std::vector<double> y = v[0];
                     for (size_t i = 0; i < y.size(); ++i)
                       y[i] *= 0.75 * double(i / (y.size() / size_t(s[0][0])));
                     return y;
                   }},
              {"convert",
               {{{1}}, {{3, 7}}},
               [](auto& v) { return convert(convert(v[0], acc(v[0].dtype)), v[0].dtype); }},
          },
          {
              not_integers("relu", relu),
              not_integers("gelu", gelu),
              not_integers("silu", silu),
              not_integers("tanh", tanh),
              not_integers("sigmoid", sigmoid),
              not_integers("softplus", softplus),
              not_integers("exp", exp),
              not_integers("log", log),
              not_integers("square", square),
              not_integers("sqrt", sqrt),
              not_integers("abs", abs),
              not_integers("neg", neg),
              not_together("add", add),
              not_together("sub", sub),
              not_together("mul", mul),
              not_together("div", div),
              not_together("maximum", maximum),
              {"add",
               {{3}},
               [](auto& v) { return add(v[0], cast(v[0], Dtype::bf16)); },
               "add: b must be f32, got bf16"},
              {"scale",
               {{3}},
               [](auto& v) { return scale(empty(v[0].shape, Dtype::u8), 2); },
               "scale: x must be f32, bf16 or f64, got u8"},
              {"add_bias",
               {{4, 3}, {4}},
               [](auto& v) { return add_bias(v[0], v[1]); },
               "add_bias: bias must be [3], got [4]"},
              {"scale_rows",
               {{4, 3}, {3}},
               [](auto& v) { return scale_rows(v[0], v[1]); },
               "scale_rows: factors must be [4], got [3]"},
              {"scale_rows",
               {{4, 3}, {4}},
               [](auto& v) { return scale_rows(v[0], v[1]); },
               "scale_rows: factors must ask for no gradient"},
              {"convert",
               {{3}},
               [](auto& v) { return convert(v[0], Dtype::u8); },
               "convert: the result must be f32, bf16 or f64, got u8"},
          }};
}

}  // namespace autodidact
