// Normalisation, softmax and cross entropy.
#include "bench/cases/case.h"
#include "kernels/batchnorm.h"
#include "kernels/groupnorm.h"
#include "kernels/layernorm.h"
#include "kernels/softmax.h"

namespace autodidact {
namespace {

template <class T>
BenchWork batchnorm(const BenchShape& s, Device device) {
  const int64_t n = s.product({"N", "H", "W", "C"});
  const int c = s["C"];
  BenchMemory m(device);
  return m.work(BatchNormForward<T>{m.numbers<T>(n), m.numbers<float>(c), m.numbers<float>(c),
                                    m.numbers<float>(c), m.numbers<float>(c), m.numbers<T>(n),
                                    m.numbers<float>(c), m.numbers<float>(c), nullptr, n / c, c, 1,
                                    1e-5f, 0.1f, true},
                0, 3.0 * double(n) * sizeof(T));
}
template <class T>
BenchWork batchnorm_backward(const BenchShape& s, Device device) {
  const int64_t n = s.product({"N", "H", "W", "C"});
  const int c = s["C"];
  BenchMemory m(device);
  return m.work(
      BatchNormBackward<T>{m.numbers<T>(n), m.numbers<float>(c), m.numbers<float>(c), nullptr,
                           m.numbers<T>(n), m.numbers<T>(n), m.numbers<T>(n), m.numbers<float>(c),
                           m.numbers<float>(c), m.numbers<float>(c), n / c, c, 1, true, false},
      0, 7.0 * double(n) * sizeof(T));
}

int groups_of(const BenchShape& s) {
  if (s["C"] % s["G"] != 0)
    fail(ErrorKind::usage, "bench: C must be a multiple of the groups G, got ", s.text());
  return s["G"];
}
template <class T>
BenchWork groupnorm(const BenchShape& s, Device device) {
  const int64_t n = s.product({"N", "H", "W", "C"}), pixels = s.product({"H", "W"});
  const int g = groups_of(s), c = s["C"];
  const int64_t statistics = s.product({"N", "G"});
  BenchMemory m(device);
  return m.work(
      GroupNormForward<T>{m.numbers<T>(n), m.numbers<float>(statistics),
                          m.numbers<float>(statistics), m.numbers<T>(n), m.numbers<float>(c),
                          m.numbers<float>(c), nullptr, s["N"], int(pixels), c, g, 1e-5f, true},
      0, 2.0 * double(n) * sizeof(T));
}
template <class T>
BenchWork groupnorm_backward(const BenchShape& s, Device device) {
  const int64_t n = s.product({"N", "H", "W", "C"}), pixels = s.product({"H", "W"});
  const int g = groups_of(s), c = s["C"];
  const int64_t statistics = s.product({"N", "G"});
  BenchMemory m(device);
  return m.work(GroupNormBackward<T>{m.numbers<T>(n), m.numbers<float>(c), m.numbers<float>(c),
                                     nullptr, m.numbers<T>(n), m.numbers<T>(n), m.numbers<T>(n),
                                     m.numbers<float>(c), m.numbers<float>(statistics),
                                     m.numbers<float>(statistics), s["N"], int(pixels), c, g, true},
                0, 4.0 * double(n) * sizeof(T));
}

template <class T>
BenchWork layernorm(const BenchShape& s, Device device) {
  const int64_t n = s.product({"B", "T", "C"}), rows = s.product({"B", "T"});
  BenchMemory m(device);
  return m.work(LayerNormForward<T>{m.numbers<T>(n), m.numbers<float>(rows), m.numbers<float>(rows),
                                    m.numbers<T>(n), m.numbers<float>(s["C"]),
                                    m.numbers<float>(s["C"]), rows, s["C"], 1e-6f},
                0, 2.0 * double(n) * sizeof(T));
}
template <class T>
BenchWork layernorm_backward(const BenchShape& s, Device device) {
  const int64_t n = s.product({"B", "T", "C"}), rows = s.product({"B", "T"});
  BenchMemory m(device);
  return m.work(
      LayerNormBackward<T>{m.numbers<T>(n), m.numbers<float>(s["C"]), m.numbers<float>(s["C"]),
                           m.numbers<T>(n), m.numbers<T>(n), m.numbers<float>(s["C"]),
                           m.numbers<float>(rows), m.numbers<float>(rows), rows, s["C"]},
      0, 3.0 * double(n) * sizeof(T));
}

template <class T>
BenchWork softmax(const BenchShape& s, Device device) {
  const int64_t n = s.product({"B", "C"});
  BenchMemory m(device);
  return m.work(SoftmaxForward<T>{m.numbers<T>(n), m.numbers<T>(n), s["B"], s["C"]}, 0,
                2.0 * double(n) * sizeof(T));
}
template <class T>
BenchWork softmax_backward(const BenchShape& s, Device device) {
  const int64_t n = s.product({"B", "C"});
  BenchMemory m(device);
  return m.work(
      SoftmaxBackward<T>{m.numbers<T>(n), m.numbers<T>(n), m.numbers<T>(n), s["B"], s["C"]}, 0,
      3.0 * double(n) * sizeof(T));
}

int32_t* labels(BenchMemory& m, const BenchShape& s) {
  std::vector<int32_t> values;
  for (int i = 0; i < s["B"]; ++i) values.push_back(i % s["C"]);
  return m.of(values);
}
template <class T>
BenchWork cross_entropy(const BenchShape& s, Device device) {
  const int64_t n = s.product({"B", "C"});
  BenchMemory m(device);
  return m.work(CrossEntropyForward<T>{.loss = m.numbers<float>(1),
                                       .max = m.numbers<float>(s["B"]),
                                       .log_sum = m.numbers<float>(s["B"]),
                                       .row_loss = nullptr,
                                       .logits = m.numbers<T>(n),
                                       .labels = labels(m, s),
                                       .rows = s["B"],
                                       .cols = s["C"],
                                       .smoothing = 0},
                0, double(n) * sizeof(T));
}
template <class T>
BenchWork cross_entropy_backward(const BenchShape& s, Device device) {
  const int64_t n = s.product({"B", "C"});
  BenchMemory m(device);
  return m.work(CrossEntropyBackward<T>{.dlogits = m.numbers<T>(n),
                                        .dloss = m.numbers<float>(1),
                                        .logits = m.numbers<T>(n),
                                        .max = m.numbers<float>(s["B"]),
                                        .log_sum = m.numbers<float>(s["B"]),
                                        .labels = labels(m, s),
                                        .rows = s["B"],
                                        .cols = s["C"],
                                        .smoothing = 0},
                0, 2.0 * double(n) * sizeof(T));
}

BenchShape maps(int side, int c) { return {{"N", 128}, {"H", side}, {"W", side}, {"C", c}}; }
BenchShape grouped(int side, int c) {
  return {{"N", 128}, {"H", side}, {"W", side}, {"C", c}, {"G", 8}};
}

}  // namespace

std::vector<BenchKernel> norm_benches() {
  const std::vector<BenchShape> plain = {maps(32, 64), maps(8, 256), maps(32, 16), maps(16, 32)};
  const std::vector<BenchShape> in_groups = {grouped(32, 64), grouped(8, 256), grouped(32, 16),
                                             grouped(16, 32)};
  const std::vector<BenchShape> tokens = {{{"B", 128}, {"T", 200}, {"C", 192}}};
  return {
      {"batchnorm", "with ReLU, over N maps H x W of C channels", plain, batchnorm<float>,
       batchnorm<bf16>},
      {"batchnorm_backward", "with ReLU", plain, batchnorm_backward<float>,
       batchnorm_backward<bf16>},
      {"groupnorm", "with ReLU, over N maps H x W of C channels in G groups", in_groups,
       groupnorm<float>, groupnorm<bf16>},
      {"groupnorm_backward", "with ReLU", in_groups, groupnorm_backward<float>,
       groupnorm_backward<bf16>},
      {"layernorm", "over B x T tokens of C channels", tokens, layernorm<float>, layernorm<bf16>},
      {"layernorm_backward", "with the gradients of its weights", tokens, layernorm_backward<float>,
       layernorm_backward<bf16>}};
}

std::vector<BenchKernel> softmax_benches() {
  const std::vector<BenchShape> rows = {{{"B", 16384}, {"C", 256}}, {{"B", 128}, {"C", 10}}};
  const std::vector<BenchShape> logits = {{{"B", 1024}, {"C", 1000}}, {{"B", 128}, {"C", 10}}};
  return {{"softmax", "over B rows of C", rows, softmax<float>, softmax<bf16>},
          {"softmax_backward", "over B rows of C", rows, softmax_backward<float>,
           softmax_backward<bf16>},
          {"cross_entropy", "of B rows of C logits with integer labels", logits,
           cross_entropy<float>, cross_entropy<bf16>},
          {"cross_entropy_backward", "the gradient of the logits", logits,
           cross_entropy_backward<float>, cross_entropy_backward<bf16>}};
}

}  // namespace autodidact
