// GEMM and convolution, at the shapes our networks train with: ResNet-18 for CIFAR and ResNet-26
// with 16, 32, 64 channels at batch 128, stems and strided layers, a ViT's products, MoCo's.
#include "bench/cases/case.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"

namespace autodidact {
namespace {

template <class T>
BenchWork gemm(const BenchShape& s, Device device) {
  const int64_t batch = s["B"], m = s["M"], n = s["N"], k = s["K"];
  const bool ta = s["TA"] != 0, tb = s["TB"] != 0;
  BenchMemory memory(device);
  const int64_t c = s.product({"B", "M", "N"}), a = s.product({"B", "M", "K"}),
                b = s.product({"B", "N", "K"});
  return memory.work(Gemm<T>{.c = memory.numbers<T>(c),
                             .a = memory.numbers<T>(a),
                             .b = memory.numbers<T>(b),
                             .m = int(m),
                             .n = int(n),
                             .k = int(k),
                             .lda = ta ? m : k,
                             .ldb = tb ? k : n,
                             .ldc = n,
                             .transpose_a = ta,
                             .transpose_b = tb,
                             .batch = int(batch),
                             .stride_a = m * k,
                             .stride_b = n * k,
                             .stride_c = m * n},
                     2 * double(c) * double(k), double(a + b + c) * sizeof(T));
}

// "Same" padding, as models/layers.h.
ConvSizes conv_sizes(const BenchShape& s) {
  if (s["R"] % 2 == 0)
    fail(ErrorKind::usage, "bench: a convolution's kernel R must be odd, got ", s["R"]);
  return {s["N"], s["H"], s["W"], s["C"], s["K"], s["R"], s["R"], s["S"], s["R"] / 2};
}

struct ConvArrays {
  int64_t x, y, w;
  double flop, bytes;
  template <class T>
  ConvArrays(const BenchShape& s, T)
      : x(s.product({"N", "H", "W", "C"})),
        y(int64_t(s["N"]) * conv_sizes(s).out_h() * conv_sizes(s).out_w() * s["K"]),
        w(s.product({"K", "R", "R", "C"})),
        flop(2 * double(y) * s["R"] * s["R"] * s["C"]),
        bytes(double(x + y + w) * sizeof(T)) {}
};

template <class T>
BenchWork conv_forward(const BenchShape& s, Device device) {
  const ConvArrays n(s, T());
  BenchMemory m(device);
  return m.work(ConvForward<T>{m.numbers<T>(n.y), m.numbers<T>(n.x), m.numbers<T>(n.w), nullptr,
                               conv_sizes(s)},
                n.flop, n.bytes);
}
template <class T>
BenchWork conv_data(const BenchShape& s, Device device) {
  const ConvArrays n(s, T());
  BenchMemory m(device);
  return m.work(
      ConvBackwardData<T>{m.numbers<T>(n.x), m.numbers<T>(n.y), m.numbers<T>(n.w), conv_sizes(s)},
      n.flop, n.bytes);
}
template <class T>
BenchWork conv_weights(const BenchShape& s, Device device) {
  const ConvArrays n(s, T());
  BenchMemory m(device);
  return m.work(ConvBackwardWeights<T>{m.numbers<float>(n.w), nullptr, m.numbers<T>(n.y),
                                       m.numbers<T>(n.x), conv_sizes(s)},
                n.flop, n.bytes);
}

BenchShape product(int b, int m, int n, int k, int ta, int tb) {
  return {{"B", b}, {"M", m}, {"N", n}, {"K", k}, {"TA", ta}, {"TB", tb}};
}
BenchShape image(int n, int side, int c, int k, int r, int stride) {
  return {{"N", n}, {"H", side}, {"W", side}, {"C", c}, {"K", k}, {"R", r}, {"S", stride}};
}

}  // namespace

std::vector<BenchKernel> gemm_benches() {
  return {{"gemm",
           "C[M, N] = A[M, K] B[K, N], B products; TA, TB: 1 for a transposed operand",
           {product(1, 1024, 1024, 1024, 0, 0), product(1, 1024, 1024, 1024, 0, 1),
            product(1, 1024, 1024, 1024, 1, 0), product(1, 16384, 768, 192, 0, 1),
            product(1, 16384, 192, 768, 0, 0), product(1, 192, 768, 16384, 1, 0),
            product(1, 256, 65536, 128, 0, 1), product(384, 65, 65, 64, 0, 1),
            product(384, 65, 64, 65, 0, 0), product(1, 128, 10, 512, 0, 1)},
           gemm<float>,
           gemm<bf16>}};
}

std::vector<BenchKernel> conv_benches() {
  const std::vector<BenchShape> shapes = {
      image(128, 32, 64, 64, 3, 1),  image(128, 16, 128, 128, 3, 1), image(128, 8, 256, 256, 3, 1),
      image(128, 4, 512, 512, 3, 1), image(128, 32, 64, 128, 3, 2),  image(128, 32, 64, 128, 1, 2),
      image(128, 32, 3, 64, 3, 1),   image(128, 32, 3, 16, 3, 1),    image(128, 32, 16, 16, 3, 1),
      image(128, 16, 32, 32, 3, 1),  image(128, 8, 64, 64, 3, 1),    image(128, 32, 16, 32, 3, 2),
      image(8, 224, 3, 64, 7, 2)};
  return {{"conv_forward", "N images H x W, C to K channels, R x R kernel, stride S, same padding",
           shapes, conv_forward<float>, conv_forward<bf16>},
          {"conv_data", "the gradient of conv_forward's images", shapes, conv_data<float>,
           conv_data<bf16>},
          {"conv_weights", "the gradient of conv_forward's weights", shapes, conv_weights<float>,
           conv_weights<bf16>}};
}

}  // namespace autodidact
