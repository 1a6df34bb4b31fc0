// Every row of the op table on the device, forward and backward: by the rule that SIMD bodies are
// held to (test_ops.cpp), between guard zones, and the same bytes under every schedule.
#include "device_test.h"
#include "engine/arena.h"
#include "kernels/cpu_class.h"
#include "kernels/vendor/vendor.h"
#include "tests/low_precision.h"
#include "tests/op_values.h"
#include "tests/remade_cases.h"

using namespace autodidact;

namespace {

struct Restore {
  CpuClass c = cpu_class();
#if defined(HAS_VENDOR)
  vendor::Mode mode = vendor::mode();
  ~Restore() {
    vendor::set_mode(mode), set_cpu_class(c), arena_of(Device::cuda)->set_guards(false);
  }
#else
  ~Restore() { set_cpu_class(c), arena_of(Device::cuda)->set_guards(false); }
#endif
};

void check_row(const OpCase& row, const std::vector<Shape>& shapes) {
  Values inputs = make_inputs(row, shapes);
  std::vector<double> dy = common_dy(row, inputs, shapes);
  Values reference = run_case(row, inputs, shapes, Dtype::f64, dy);
  for (Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    Values plain = run_case(row, inputs, shapes, dtype, dy), first;
    Arena& arena = *arena_of(Device::cuda);
    for_each_schedule([&](int schedule) {
      arena.set_guards(true);
      Values device = run_case(row, inputs, shapes, dtype, dy, Device::cuda);
      CHECK_NOTHROW(arena.check_guards());
      arena.set_guards(false);
      for (size_t i = 0; i < device.size(); ++i) {
        if (schedule > 0) {
          REQUIRE(device[i].size() == first[i].size());
          CHECK_MESSAGE(
              std::memcmp(device[i].data(), first[i].data(), first[i].size() * sizeof(double)) == 0,
              name(dtype) << ", result " << i << ": another under another schedule");
          continue;
        }
        double error = distance(device[i], reference[i]);
        double allowed = allowed_error(distance(plain[i], reference[i]), max_abs(reference[i]),
                                       dtype == Dtype::bf16);
        CHECK_MESSAGE(error <= allowed, name(dtype) << ", result " << i
                                                    << " (0: output, then gradients): error "
                                                    << error << ", allowed " << allowed);
      }
      if (schedule == 0) first = std::move(device);
    });
  }
}

}  // namespace

TEST_CASE(
    "device ops: forward and backward as on the CPU, and the same bytes under each schedule") {
  Restore restore;
  set_cpu_class(CpuClass::plain);
  for_each_case(check_row);
}

TEST_CASE("device ops: an output that can be made again has the same bytes") {
  for (Dtype dtype : {Dtype::f32, Dtype::bf16})
    CHECK(check_remade(dtype, Device::cuda) == kRemadeOps);
}

#if defined(HAS_VENDOR)
TEST_CASE("device ops: what the vendor's libraries do, done the other way") {
  Restore restore;
  set_cpu_class(CpuClass::plain);
  vendor::set_mode(restore.mode == vendor::Mode::off ? vendor::Mode::strict : vendor::Mode::off);
  for_each_case([](const OpCase& row, const std::vector<Shape>& shapes) {
    if (row.op == "linear" || row.op == "matmul" || row.op == "conv2d") check_row(row, shapes);
  });
}
#endif
