// Every op row of op_cases.h through: (1) the numerical gradient in f64; (2) each SIMD class in f32
// against the plain f64 body; (3) the same in bf16; (4) guard zones and NaN-poisoned memory; (5)
// the same bytes twice and for 1, 2, 3 threads; (6) every listed size; (7) wrong shapes and dtypes
// refused in words; (8) the definition, where a row has one. And: no op of engine/ops.h without a
// row.
#include <doctest/doctest.h>
#include <cstring>
#include <fstream>
#include <regex>
#include <set>
#include "engine/arena.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "tests/low_precision.h"
#include "tests/op_values.h"
#include "tests/remade_cases.h"

using namespace autodidact;

namespace {

struct Restore {  // a test leaves class, threads and guards as they were
  CpuClass c = cpu_class();
  int threads = thread_count();
  ~Restore() { set_cpu_class(c), set_thread_count(threads), cpu_arena().set_guards(false); }
};

std::vector<CpuClass> simd_classes() {
  std::vector<CpuClass> found;
  for (CpuClass c : {CpuClass::avx2, CpuClass::avx512, CpuClass::avx512_bf16})
    if (cpu_has(c)) found.push_back(c);
  return found;
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
          double largest = max_abs(reference[i]) * (dtype == Dtype::f32 ? row.roundings : 1);
          double allowed =
              allowed_error(distance(plain[i], reference[i]), largest, dtype == Dtype::bf16);
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

TEST_CASE("ops: an output that can be made again has the same bytes, in each class") {
  Restore restore;
  std::vector<CpuClass> classes = simd_classes();
  classes.push_back(CpuClass::plain);
  for (CpuClass c : classes)
    for (Dtype dtype : {Dtype::f32, Dtype::bf16, Dtype::f64}) {
      set_cpu_class(c);
      CHECK(check_remade(dtype) == kRemadeOps);
    }
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
