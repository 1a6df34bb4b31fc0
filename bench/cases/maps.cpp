// Pooling, elementwise kernels and sums: what is bound by memory between the products.
#include "bench/cases/case.h"
#include "kernels/elementwise.h"
#include "kernels/pool.h"
#include "kernels/reduction.h"

namespace autodidact {
namespace {

PoolShape pool_shape(const BenchShape& s) {
  if (s["R"] > 16 || s["R"] > s["H"] || s["R"] > s["W"])
    fail(ErrorKind::usage, "bench: a window R must be at most 16, H and W, got ", s.text());
  return {s["N"], s["H"], s["W"], s["C"], s["R"], s["S"], s["R"] / 2};
}
struct PoolArrays {
  int64_t x, y;
  explicit PoolArrays(const BenchShape& s)
      : x(s.product({"N", "H", "W", "C"})),
        y(int64_t(s["N"]) * pool_shape(s).out_height() * pool_shape(s).out_width() * s["C"]) {}
};

template <class T>
BenchWork max_pool(const BenchShape& s, Device device) {
  const PoolArrays n(s);
  BenchMemory m(device);
  return m.work(MaxPoolForward<T>{m.numbers<T>(n.y), m.filled<uint8_t>(n.y, 0), m.numbers<T>(n.x),
                                  pool_shape(s)},
                0, double(n.x + n.y) * sizeof(T) + double(n.y));
}
template <class T>
BenchWork max_pool_backward(const BenchShape& s, Device device) {
  const PoolArrays n(s);
  BenchMemory m(device);
  uint8_t centre = uint8_t(s["R"] / 2 * s["R"] + s["R"] / 2);  // in the image for every window
  return m.work(MaxPoolBackward<T>{m.numbers<T>(n.x), m.numbers<T>(n.y),
                                   m.filled<uint8_t>(n.y, centre), pool_shape(s)},
                0, double(n.x + n.y) * sizeof(T) + double(n.y));
}
template <class T>
BenchWork avg_pool(const BenchShape& s, Device device) {
  const PoolArrays n(s);
  BenchMemory m(device);
  return m.work(AvgPoolForward<T>{m.numbers<T>(n.y), m.numbers<T>(n.x), pool_shape(s)}, 0,
                double(n.x + n.y) * sizeof(T));
}
template <class T>
BenchWork global_avg_pool(const BenchShape& s, Device device) {
  const int64_t x = s.product({"N", "H", "W", "C"}), y = s.product({"N", "C"});
  BenchMemory m(device);
  return m.work(GlobalAvgPoolForward<T>{m.numbers<T>(y), m.numbers<T>(x), s["N"],
                                        int(s.product({"H", "W"})), s["C"]},
                0, double(x + y) * sizeof(T));
}

template <class Op, class T>
BenchWork unary(const BenchShape& s, Device device) {
  const int64_t n = s["N"];
  BenchMemory m(device);
  return m.work(UnaryForward<Op, T>{m.numbers<T>(n), m.numbers<T>(n), n}, 0,
                2.0 * double(n) * sizeof(T));
}
template <class T>
BenchWork gelu_backward(const BenchShape& s, Device device) {
  const int64_t n = s["N"];
  BenchMemory m(device);
  return m.work(
      UnaryBackward<Gelu, T>{m.numbers<T>(n), m.numbers<T>(n), m.numbers<T>(n), nullptr, n}, 0,
      3.0 * double(n) * sizeof(T));
}
template <class T>
BenchWork add(const BenchShape& s, Device device) {
  const int64_t n = s["N"];
  BenchMemory m(device);
  return m.work(BinaryForward<Add, T>{m.numbers<T>(n), m.numbers<T>(n), m.numbers<T>(n), n, n}, 0,
                3.0 * double(n) * sizeof(T));
}
template <class T>
BenchWork sum_rows(const BenchShape& s, Device device) {
  const int64_t n = s.product({"B", "C"});
  BenchMemory m(device);
  return m.work(SumRows<T>{m.numbers<float>(s["C"]), m.numbers<T>(n), s["B"], s["C"]}, 0,
                double(n) * sizeof(T));
}

}  // namespace

std::vector<BenchKernel> pool_benches() {
  const std::vector<BenchShape> windows = {
      {{"N", 32}, {"H", 112}, {"W", 112}, {"C", 64}, {"R", 3}, {"S", 2}}};
  const std::vector<BenchShape> maps = {{{"N", 128}, {"H", 8}, {"W", 8}, {"C", 512}}};
  return {{"max_pool", "N maps H x W of C channels, R x R windows, stride S", windows,
           max_pool<float>, max_pool<bf16>},
          {"max_pool_backward", "the gradient of max_pool's maps", windows,
           max_pool_backward<float>, max_pool_backward<bf16>},
          {"avg_pool", "N maps H x W of C channels, R x R windows, stride S", windows,
           avg_pool<float>, avg_pool<bf16>},
          {"global_avg_pool", "over all pixels of N maps H x W of C channels", maps,
           global_avg_pool<float>, global_avg_pool<bf16>}};
}

std::vector<BenchKernel> elementwise_benches() {
  const std::vector<BenchShape> many = {{{"N", 4 << 20}}};
  return {{"relu", "of N numbers", many, unary<Relu, float>, unary<Relu, bf16>},
          {"gelu", "of N numbers, the exact one", many, unary<Gelu, float>, unary<Gelu, bf16>},
          {"gelu_backward", "of N numbers", many, gelu_backward<float>, gelu_backward<bf16>},
          {"add", "of N numbers", many, add<float>, add<bf16>},
          {"sum_rows",
           "over B rows of C: a bias gradient",
           {{{"B", 131072}, {"C", 64}}},
           sum_rows<float>,
           sum_rows<bf16>}};
}

}  // namespace autodidact
