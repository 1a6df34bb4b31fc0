// kernels/vendor over the stand-ins for cuBLASLt and cuDNN: every layout against the CPU, what each
// library is not asked for, one plan a shape, workspace, and what a status that is not success
// says.
#include <array>
#include <cstdlib>
#include <utility>
#include "gemm_case.h"
#include "kernels/conv.h"
#include "kernels/vendor/library.h"
#include "vendor_library.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct With {
  vendor::Mode before = vendor::mode();
  explicit With(vendor::Mode m) { vendor::set_mode(m); }
  ~With() {
    vendor::set_mode(before);
    emulator::reset_device();
    emulator::hide("");
  }
};

const GemmCase kGemms[] = {{1, 1, 1},
                           {1, 5, 3, 2, 0, -2},
                           {7, 1, 40, 1, 3, 1, 0, true},
                           {16, 24, 32, 1, 0, 0.5, 0, true, true},
                           {24, 8, 16, 2, 8, 1, 0.5, true},
                           {13, 11, 9, 3, 1, 1, 0, true, true},
                           {5, 17, 31, 2, 2, -1, 1, false, true, 1},
                           {9, 20, 0, 2, 0, 1, 0.5, true}};

// By the library, but for the sum over nothing.
void check_gemm_by_library(const GemmCase& s, bool transpose_a, bool transpose_b, bool narrow) {
  const int before = emulator::calls("cublasLtMatmul");
  check_gemm(s, transpose_a, transpose_b, narrow, [](auto queue, auto gemm) { run(queue, gemm); });
  const int runs = (narrow ? 2 : 1) * int(kSchedules.size());
  CHECK(emulator::calls("cublasLtMatmul") - before == (s.k > 0 ? runs : 0));
}

struct ConvCase {
  ConvSizes sizes;  // n, h, w, c_in, c_out, kh, kw, stride, padding, dilation
  bool bias = false;
};
const ConvCase kConvs[] = {{{1, 1, 1, 1, 1, 1, 1}},
                           {{2, 5, 7, 3, 10, 3, 3, 1, 1}, true},
                           {{2, 6, 5, 8, 16, 3, 3, 1, 1}, true},  // whole channels
                           {{1, 9, 8, 8, 8, 3, 3, 2, 1}},
                           {{3, 5, 6, 16, 8, 1, 1, 2, 0}, true},
                           {{2, 9, 9, 8, 8, 3, 3, 1, 2, 2}},
                           {{1, 12, 11, 4, 5, 3, 5, 3, 2, 2}, true}};

int64_t outputs(const ConvSizes& s) { return int64_t(s.n) * s.out_h() * s.out_w() * s.c_out; }
int64_t inputs(const ConvSizes& s) { return int64_t(s.n) * s.h * s.w * s.c_in; }
int64_t weights(const ConvSizes& s) { return int64_t(s.c_out) * s.kh * s.kw * s.c_in; }

// Aligned as an arena's blocks: alignment is part of a plan's shape.
struct alignas(256) Block : std::array<float, 4096> {
  explicit Block(float v = 0) { fill(v); }
};

// A product and a convolution for tests that look at statuses; every call has a shape of its own.
struct Small {
  Block a{2}, b{3}, c, bias{1}, x{2}, w{3}, y;
  std::array<unsigned char, 256 << 10>& memory = shared_memory();
  Workspace workspace;
  explicit Small(size_t bytes = 256 << 10) : workspace{memory.data(), bytes} {}
  static std::array<unsigned char, 256 << 10>& shared_memory() {
    alignas(256) static std::array<unsigned char, 256 << 10> m;
    return m;
  }
  Cuda queue() { return {nullptr, &workspace}; }
  static int fresh() {
    static int k = 20;
    return ++k;
  }
  Gemm<float> product(int k) {
    return {.c = c.data(),
            .a = a.data(),
            .b = b.data(),
            .bias = bias.data(),
            .m = 3,
            .n = 4,
            .k = k,
            .lda = k,
            .ldb = 4,
            .ldc = 4};
  }
  ConvForward<float> convolution(int w_pixels) {
    return {y.data(), x.data(), w.data(), bias.data(), {1, 2, w_pixels, 2, 3, 1, 1}};
  }
};

// Without its last words, which are always the same.
template <class F>
std::string failure_of(F f) {
  try {
    f();
  } catch (const LaunchFailure& e) {
    CHECK(e.status < 0);
    const std::string text = e.what(), end = "; AUTODIDACT_VENDOR=off does without the library";
    REQUIRE(text.size() > end.size());
    CHECK(text.substr(text.size() - end.size()) == end);
    return text.substr(0, text.size() - end.size());
  }
  return "";
}

}  // namespace

// The first test here: a handle is made once in a process.
TEST_CASE("vendor: no handle, in words, and the next call tries again" *
          doctest::skip(std::getenv("AUTODIDACT_VENDOR"))) {
  With strict(vendor::Mode::strict);
  Small s;
  emulator::inject("cublasLtCreate", 1);
  CHECK(failure_of([&] { run(s.queue(), s.product(2)); }) ==
        "cublasLtCreate of a handle: CUBLAS_STATUS_NOT_INITIALIZED (1)");
  emulator::inject("cudnnCreate", 1001);
  CHECK(failure_of([&] { run(s.queue(), s.convolution(2)); }) ==
        "cudnnCreate of a handle: CUDNN_STATUS_NOT_INITIALIZED (1001): the stand-in knows no more");
  run(s.queue(), s.product(2)), run(s.queue(), s.convolution(2));
  CHECK(s.c[0] == 13);
  CHECK(s.y[0] == 13);
}

TEST_CASE("vendor gemm: as on the CPU, whatever is transposed, and nothing is left to our kernel") {
  With strict(vendor::Mode::strict);
  for (bool transpose_a : {false, true})
    for (bool transpose_b : {false, true})
      for (const GemmCase& s : kGemms) check_gemm_by_library(s, transpose_a, transpose_b, true);
}

TEST_CASE("vendor gemm: bf16 operands, float sums") {
  With strict(vendor::Mode::strict);
  for (const GemmCase& s : kGemms) check_gemm_by_library(s, s.m % 2 == 1, s.n % 2 == 1, false);
}

TEST_CASE("vendor conv: forward and both gradients as on the CPU") {
  With strict(vendor::Mode::strict);
  for (const ConvCase& k : kConvs) {
    const ConvSizes& s = k.sizes;
    CAPTURE(s.c_in);
    CAPTURE(s.stride);
    const Values x = random_values(inputs(s), 1), w = random_values(weights(s), 2);
    const Values dy = random_values(outputs(s), 3), bias = random_values(s.c_out, 4);
    const int before = emulator::calls("cudnnBackendExecute");
    check_device("forward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      T* y = b.out(outputs(s));
      run(queue, ConvForward<T>{y, b.in(x), b.in(w), k.bias ? b.in_acc(bias) : nullptr, s});
    });
    check_device("data", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      run(queue, ConvBackwardData<T>{b.out(inputs(s)), b.in(dy), b.in(w), s});
    });
    check_device("weights", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      Acc<T>*dw = b.out_acc(weights(s)), *dbias = k.bias ? b.out_acc(s.c_out) : nullptr;
      run(queue, ConvBackwardWeights<T>{dw, dbias, b.in(dy), b.in(x), s});
    });
    // All but the weights of bf16, which cuDNN would round.
    CHECK(emulator::calls("cudnnBackendExecute") - before == 5 * int(kSchedules.size()));
  }
}

TEST_CASE("vendor: off, strict and any algorithm") {
  Small s;
  const int k = Small::fresh();
  auto value = [&](vendor::Mode m) {
    With mode(m);
    run(s.queue(), s.product(k));
    run(s.queue(), s.convolution(k));
    return std::pair(s.c[0], s.y[0]);
  };
  const int before = emulator::calls("cublasLtMatmul") + emulator::calls("cudnnBackendExecute");
  const std::pair exact(float(6 * k + 1), 13.0f);
  CHECK(value(vendor::Mode::off) == exact);
  CHECK(emulator::calls("cublasLtMatmul") + emulator::calls("cudnnBackendExecute") == before);
  CHECK(value(vendor::Mode::strict) == exact);
  CHECK(emulator::calls("cublasLtMatmul") + emulator::calls("cudnnBackendExecute") == before + 2);
  // The stand-ins' first choices, which the strict mode does not take, are off by a quarter.
  CHECK(value(vendor::Mode::any) == std::pair(1.25f * exact.first, 1.25f * exact.second));
}

TEST_CASE("vendor: one plan a shape") {
  With strict(vendor::Mode::strict);
  Small s, other;
  other.bias.fill(5);
  const int k = Small::fresh();
  int plans = emulator::calls("cublasLtMatmulAlgoGetHeuristic");
  auto made = [&] {
    return emulator::calls("cublasLtMatmulAlgoGetHeuristic") -
           std::exchange(plans, emulator::calls("cublasLtMatmulAlgoGetHeuristic"));
  };
  Gemm<float> p = s.product(k);
  run(s.queue(), p);
  CHECK(made() == 1);
  p.alpha = 2, p.a = other.a.data(), p.c = other.c.data(), p.bias = other.bias.data();
  run(s.queue(), p);
  CHECK(made() == 0);
  CHECK(other.c[11] == float(12 * k + 5));
  ++p.a;  // what needs aligned operands is not for these
  run(s.queue(), p);
  CHECK(made() == 1);
  CHECK(other.c[11] == float(12 * k + 5));
  p.m = 2;
  run(s.queue(), p);
  p.relu = true;
  run(s.queue(), p);
  CHECK(made() == 2);

  int parts = emulator::calls("cudnnBackendCreateDescriptor");
  auto created = [&] {
    const int now = emulator::calls("cudnnBackendCreateDescriptor");
    return now - std::exchange(parts, now);
  };
  ConvForward<float> c = s.convolution(k);
  run(s.queue(), c);
  CHECK(created() > 10);
  c.y = other.y.data();
  run(s.queue(), c);
  CHECK(created() == 1);  // the addresses
  CHECK(other.y == s.y);
  ++c.x;
  run(s.queue(), c);
  CHECK(created() > 10);
  CHECK(other.y == s.y);
  c.sizes.c_out = 2;
  run(s.queue(), c);
  CHECK(created() > 10);
}

TEST_CASE("vendor: a workspace too small for any algorithm leaves the work to our kernel") {
  With strict(vendor::Mode::strict);
  const int k = Small::fresh();
  const int before = emulator::calls("cublasLtMatmul") + emulator::calls("cudnnBackendExecute");
  auto results = [&](size_t bytes) {
    Small s(bytes);
    run(s.queue(), s.product(k));
    run(s.queue(), s.convolution(k));
    CHECK(s.workspace.used == 0);
    return std::pair(s.c, s.y);
  };
  const auto ours = results(4 << 10);
  CHECK(emulator::calls("cublasLtMatmul") + emulator::calls("cudnnBackendExecute") == before);
  CHECK(results(8 << 10) == ours);
  CHECK(results(256 << 10) == ours);
  CHECK(emulator::calls("cublasLtMatmul") + emulator::calls("cudnnBackendExecute") == before + 4);
  CHECK(ours.first[0] == float(6 * k + 1));
  CHECK(ours.second[0] == 13);
}

TEST_CASE("vendor: what a library does not support is ours, and asked once") {
  With strict(vendor::Mode::strict);
  Small s;
  const int k = Small::fresh();
  const int before = emulator::calls("cublasLtMatmul");
  emulator::inject("cublasLtMatmulAlgoGetHeuristic", 15);
  for (int i = 0; i < 2; ++i) run(s.queue(), s.product(k));
  CHECK(emulator::calls("cublasLtMatmul") == before);
  CHECK(s.c[0] == float(6 * k + 1));
  // What is finalized: convolution, y, sum, x, w, operation, addition, bias, its operation, graph,
  // the list of engines; there is a second list.
  for (int after : {5, 8, 9, 10}) {
    const int w = Small::fresh(), executed = emulator::calls("cudnnBackendExecute");
    emulator::inject("cudnnBackendFinalize", 3000, after);
    s.y[0] = 0;
    run(s.queue(), s.convolution(w));
    CHECK(s.y[0] == 13);
    CHECK(emulator::calls("cudnnBackendExecute") - executed == (after == 10 ? 1 : 0));
  }
}

TEST_CASE("vendor: every call's status is looked at, and said with the shape") {
  With strict(vendor::Mode::strict);
  Small s;
  for (const char* call :
       {"cublasLtMatmulDescCreate", "cublasLtMatmulDescSetAttribute", "cublasLtMatrixLayoutCreate",
        "cublasLtMatmulPreferenceCreate", "cublasLtMatmulPreferenceSetAttribute",
        "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmul"})
    for (int after : {0, 1}) {
      const int k = Small::fresh();
      emulator::inject(call, 7, after);
      std::string text = failure_of([&] { run(s.queue(), s.product(k)); });
      if (text.empty()) {  // it is made once
        CHECK(after > 0);
        emulator::reset_device();
        continue;
      }
      CHECK(text == std::string(call) + " of gemm<f32> m 3 n 4 k " + std::to_string(k) +
                        ", bias: CUBLAS_STATUS_INVALID_VALUE (7)");
      s.c[0] = 0;
      run(s.queue(), s.product(k));  // nothing half made is kept
      CHECK(s.c[0] == float(6 * k + 1));
    }
  Gemm<float> batched = s.product(2);
  batched.batch = 2, batched.stride_a = 6, batched.stride_c = 12, batched.bias = nullptr;
  emulator::inject("cublasLtMatrixLayoutSetAttribute", 7);
  CHECK(failure_of([&] { run(s.queue(), batched); }) ==
        "cublasLtMatrixLayoutSetAttribute of gemm<f32> m 3 n 4 k 2 batch 2: "
        "CUBLAS_STATUS_INVALID_VALUE (7)");

  for (const char* call :
       {"cudnnBackendCreateDescriptor", "cudnnBackendSetAttribute", "cudnnBackendFinalize",
        "cudnnBackendGetAttribute", "cudnnSetStream", "cudnnBackendExecute"})
    for (int after = 0; after < 100; ++after) {
      const int w = Small::fresh();
      emulator::inject(call, 2000, after);
      std::string text = failure_of([&] { run(s.queue(), s.convolution(w)); });
      emulator::reset_device();
      if (text.empty()) {  // there are not so many of them
        CHECK(after > 0);
        break;
      }
      CHECK(text == std::string(call) + " of conv forward<f32> 1x2x" + std::to_string(w) +
                        "x2, 3 kernels 1x1, stride 1, padding 0, dilation 1, bias: "
                        "CUDNN_STATUS_BAD_PARAM (2000): the stand-in knows no more");
      s.y[0] = 0;
      run(s.queue(), s.convolution(w));
      CHECK(s.y[0] == 13);
    }
  CHECK(s.workspace.used == 0);
}

TEST_CASE("vendor: libraries that are there, that are not, and that lack something") {
  {
    With strict(vendor::Mode::strict);
    const std::vector<vendor::Library> all = vendor::libraries();
    REQUIRE(all.size() == 2);
    CHECK(all[0].name + " " + all[0].version + all[0].reason == "cuBLASLt 13.1.0");
    CHECK(all[1].name + " " + all[1].version + all[1].reason == "cuDNN 9.19.0");
    emulator::hide("libcublasLt.so.13");
    CHECK(vendor::CublasLt().reason() == "libcublasLt.so.13 is not on this machine");
    CHECK(vendor::Cudnn().reason() == "");
    emulator::hide("cudnnBackendExecute");
    CHECK(vendor::Cudnn().reason() == "libcudnn.so.9 has no cudnnBackendExecute");
  }
  With off(vendor::Mode::off);
  CHECK(vendor::libraries()[0].reason == "AUTODIDACT_VENDOR is off");
}
