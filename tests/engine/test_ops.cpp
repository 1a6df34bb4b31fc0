// Every op row of op_cases.h through: (1) the numerical gradient in f64; (2) each SIMD class in f32
// against the plain f64 body; (3) the same in bf16; (4) guard zones and NaN-poisoned memory; (5)
// the same bytes twice and for 1, 2, 3 threads; (6) every listed size; (7) wrong shapes and dtypes
// refused in words; (8) the definition, where a row has one. And: no op of engine/ops.h without a
// row.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include "engine/arena.h"
#include "engine/random.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "tests/low_precision.h"
#include "tests/op_cases.h"

using namespace autodidact;

namespace {

// The output and the inputs' gradients of one call, in double.
using Values = std::vector<std::vector<double>>;

std::vector<double> to_double(const Tensor& t) {
  Tensor d = cast(detach(t), Dtype::f64);
  const double* p = ptr<const double>(d);
  return {p, p + d.size()};
}

Tensor from_double(const std::vector<double>& x, const Shape& shape, Dtype dtype) {
  Tensor t = empty(shape, Dtype::f64);
  std::copy(x.begin(), x.end(), ptr<double>(t));
  return cast(t, dtype);
}

// Inputs that bf16 represents exactly, so that all dtypes compute with the same numbers.
Values make_inputs(const OpCase& row, const std::vector<Shape>& shapes) {
  Rng rng(7);
  Values inputs;
  for (const Shape& s : shapes) {
    std::vector<double> x(size_t(s.size()));
    for (double& v : x) v = float(bf16(float(row.low + (row.high - row.low) * rng.uniform())));
    inputs.push_back(std::move(x));
  }
  return inputs;
}

std::vector<Tensor> leaves(const OpCase& row, const Values& inputs,
                           const std::vector<Shape>& shapes, Dtype dtype) {
  std::vector<Tensor> v;
  for (size_t i = 0; i < shapes.size(); ++i) {
    bool parameter = std::count(row.parameters.begin(), row.parameters.end(), int(i)) > 0;
    v.push_back(leaf(from_double(inputs[i], shapes[i], parameter ? acc(dtype) : dtype)));
  }
  return v;
}

// The head sum(w * sin(y)) is not linear, so that an op whose outputs have a constant sum cannot
// hide an error.
double head_weight(size_t i) { return 0.5 + 0.37 * double(i % 7) - 0.21 * double(i % 5); }

// In extended precision: a difference quotient divides the rounding of 10^5 terms by 10^-5.
long double head(const std::vector<double>& y) {
  long double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += head_weight(i) * std::sin(y[i]);
  return sum;
}

std::vector<double> head_gradient(const std::vector<double>& y) {
  std::vector<double> d(y.size());
  for (size_t i = 0; i < y.size(); ++i) d[i] = head_weight(i) * std::cos(y[i]);
  return d;
}

Values run_case(const OpCase& row, const Values& inputs, const std::vector<Shape>& shapes,
                Dtype dtype, const std::vector<double>& dy) {
  std::vector<Tensor> v = leaves(row, inputs, shapes, dtype);
  Tensor y = row.call(v);
  Values values{to_double(y)};
  if (row.differentiable) {
    backward(y, from_double(dy, y.shape, y.dtype));
    for (Tensor& x : v)
      values.push_back(x.node->grad_written ? to_double(x.node->grad) : std::vector<double>());
  }
  return values;
}

// dy that bf16 represents exactly, from the output in f64: every dtype gets the same.
std::vector<double> common_dy(const OpCase& row, const Values& inputs,
                              const std::vector<Shape>& shapes) {
  std::vector<double> dy =
      head_gradient(to_double(row.call(leaves(row, inputs, shapes, Dtype::f64))));
  for (double& v : dy) v = float(bf16(float(v)));
  return dy;
}

double max_abs(const std::vector<double>& x) {
  double m = 0;
  for (double v : x) m = std::max(m, std::abs(v));
  return m;
}

// The largest difference; infinite where anything is not finite.
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double m = 0;
  for (size_t i = 0; i < a.size(); ++i)
    m = std::isfinite(a[i]) ? std::max(m, std::abs(a[i] - b[i]))
                            : std::numeric_limits<double>::infinity();
  return m;
}

struct Restore {  // a test leaves class, threads and guards as they were
  CpuClass c = cpu_class();
  int threads = thread_count();
  ~Restore() { set_cpu_class(c), set_thread_count(threads), cpu_arena().set_guards(false); }
};

std::vector<CpuClass> simd_classes() {
  std::vector<CpuClass> found;
  for (CpuClass c : {CpuClass::avx2, CpuClass::avx512})
    if (c <= best_cpu_class()) found.push_back(c);
  return found;
}

template <class F>
void for_each_case(F f) {
  for (const OpFamily& family : all_families())
    for (const OpCase& row : family.cases)
      for (auto& shapes : row.sizes) {
        std::ostringstream label;
        label << row.op;
        for (const Shape& s : shapes) label << ' ' << s;
        std::string text = label.str();
        INFO(text);
        f(row, shapes);
      }
}

}  // namespace

TEST_CASE("ops: gradients in f64 agree with central differences to 1e-6") {
  for_each_case([](const OpCase& row, const std::vector<Shape>& shapes) {
    if (!row.differentiable) return;
    Values inputs = make_inputs(row, shapes);
    std::vector<Tensor> v = leaves(row, inputs, shapes, Dtype::f64);
    Tensor y = row.call(v);
    backward(y, from_double(head_gradient(to_double(y)), y.shape, y.dtype));
    auto value = [&](const Values& at) {
      return head(to_double(row.call(leaves(row, at, shapes, Dtype::f64))));
    };
    for (size_t k = 0; k < shapes.size(); ++k) {
      INFO("input " << k);
      REQUIRE_MESSAGE(v[k].node->grad_written, "no gradient was written");
      std::vector<double> grad = to_double(v[k].node->grad);
      double scale = std::max(1.0, max_abs(grad));
      size_t step =
          std::max<size_t>(1, grad.size() / 40);  // up to 40 to 80 elements, spread over the input
      for (size_t i = 0; i < grad.size(); i += step) {
        constexpr double h = 1e-5;  // truncation h^2 and rounding eps / h are both near 1e-10
        Values up = inputs, down = inputs;
        up[k][i] += h, down[k][i] -= h;
        double numeric = double((value(up) - value(down)) / (2 * h));
        CHECK_MESSAGE(std::abs(grad[i] - numeric) / scale <= 1e-6,
                      "element " << i << ": tape " << grad[i] << ", numeric " << numeric);
      }
    }
  });
}

TEST_CASE("ops: the plain f64 body computes the definition") {
  for_each_case([](const OpCase& row, const std::vector<Shape>& shapes) {
    if (!row.definition) return;
    Values inputs = make_inputs(row, shapes);
    std::vector<double> y = to_double(row.call(leaves(row, inputs, shapes, Dtype::f64)));
    std::vector<double> exact = row.definition(inputs, shapes);
    REQUIRE(y.size() == exact.size());
    // Sums of up to thousands of terms in another order: far above 2^-53 times their number.
    CHECK(distance(y, exact) <= 1e-12 * std::max(1.0, max_abs(exact)));
  });
}

TEST_CASE("ops: every SIMD class against the plain f64 body, in f32 and bf16, with guard zones") {
  Restore restore;
  for_each_case([](const OpCase& row, const std::vector<Shape>& shapes) {
    Values inputs = make_inputs(row, shapes);
    std::vector<double> dy = common_dy(row, inputs, shapes);
    Values reference = run_case(row, inputs, shapes, Dtype::f64, dy);
    for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      set_cpu_class(CpuClass::plain);
      Values plain = run_case(row, inputs, shapes, dtype, dy);
      for (CpuClass c : simd_classes()) {
        set_cpu_class(c);
        cpu_arena().set_guards(true);
        Values simd = run_case(row, inputs, shapes, dtype, dy);
        CHECK_NOTHROW(cpu_arena().check_guards());
        cpu_arena().set_guards(false);
        for (size_t i = 0; i < simd.size(); ++i) {
          double error = distance(simd[i], reference[i]);
          double allowed = allowed_error(distance(plain[i], reference[i]), max_abs(reference[i]),
                                         dtype == Dtype::bf16);
          CHECK_MESSAGE(error <= allowed, name(c) << ' ' << name(dtype) << ", result " << i
                                                  << " (0: output, then gradients): error " << error
                                                  << ", allowed " << allowed);
        }
      }
    }
  });
}

TEST_CASE("ops: the same bytes twice, and for 1, 2 and 3 threads") {
  Restore restore;
  for_each_case([](const OpCase& row, const std::vector<Shape>& shapes) {
    Values inputs = make_inputs(row, shapes);
    std::vector<double> dy = common_dy(row, inputs, shapes);
    for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      set_thread_count(1);
      Values first = run_case(row, inputs, shapes, dtype, dy);
      for (int threads : {1, 2, 3}) {
        set_thread_count(threads);
        Values again = run_case(row, inputs, shapes, dtype, dy);
        for (size_t i = 0; i < first.size(); ++i) {
          bool same = first[i].empty() || std::memcmp(first[i].data(), again[i].data(),
                                                      first[i].size() * sizeof(double)) == 0;
          CHECK_MESSAGE(same, name(dtype) << ", " << threads << " threads, result " << i);
        }
      }
    }
  });
}

TEST_CASE("ops: wrong shapes are refused in words") {
  for (const OpFamily& family : all_families())
    for (const WrongCase& row : family.wrong) {
      INFO(row.op);
      std::vector<Tensor> v;
      for (const Shape& s : row.shapes) v.push_back(leaf(zeros(s)));
      CHECK_THROWS_WITH_AS(row.call(v), row.says.c_str(), Error);
    }
}

TEST_CASE("ops: every op of engine/ops.h has a row, and a wrong shape") {
  std::ifstream file(std::string(SOURCE_DIR) + "/engine/ops.h");
  REQUIRE(file.good());
  std::set<std::string> declared, tested, refused;
  std::string line;
  std::regex declaration(R"(^(?:Tensor|std::\w+<.*>) (\w+)\()");
  while (std::getline(file, line))
    if (std::smatch m; std::regex_search(line, m, declaration)) declared.insert(m[1]);
  REQUIRE(declared.size() >= 2);
  for (const OpFamily& family : all_families()) {
    for (auto& row : family.cases) tested.insert(row.op);
    for (auto& row : family.wrong) refused.insert(row.op);
  }
  for (auto& op : declared) {
    CHECK_MESSAGE(tested.count(op), op << " has no row in op_cases");
    CHECK_MESSAGE(refused.count(op), op << " has no wrong-shape row in op_cases");
  }
  for (auto& op : tested)
    CHECK_MESSAGE(declared.count(op), op << " is not declared in engine/ops.h");
}
