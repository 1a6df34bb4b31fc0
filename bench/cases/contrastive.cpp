// InfoNCE over a queue, loss and dq: MoCo's queue and dimension, a smaller queue, one of wide rows.
#include <cmath>
#include "bench/cases/case.h"
#include "kernels/infonce.h"

namespace autodidact {
namespace {

template <class T>
T* rows_of_length_one(BenchMemory& memory, int rows, int dim) {
  std::vector<T> values = memory.drawn<T>(int64_t(rows) * dim);
  for (T* row = values.data(); row != values.data() + values.size(); row += dim) {
    float squares = 0;
    for (int d = 0; d < dim; ++d) squares += float(row[d]) * float(row[d]);
    for (int d = 0; d < dim; ++d) row[d] = T(float(row[d]) / std::sqrt(squares));
  }
  return memory.of(values);
}

template <class T>
BenchWork infonce(const BenchShape& s, Device device) {
  const int batch = s["B"], keys = s["K"], dim = s["D"];
  const int64_t of_queries = s.product({"B", "D"}), of_keys = s.product({"K", "D"});
  BenchMemory m(device);
  return m.work(InfoNce<T>{.loss = m.numbers<float>(1),
                           .row_loss = nullptr,
                           .lse = nullptr,
                           .rank = nullptr,
                           .dq = m.numbers<float>(of_queries),
                           .q = rows_of_length_one<T>(m, batch, dim),
                           .k = rows_of_length_one<T>(m, batch, dim),
                           .queue = rows_of_length_one<T>(m, keys, dim),
                           .batch = batch,
                           .keys = keys,
                           .dim = dim,
                           .temperature = 0.07f,
                           .unit = s["UNIT"] != 0},
                4 * double(of_queries) * keys,
                double(2 * of_queries + of_keys) * sizeof(T) + double(of_queries) * sizeof(float));
}

BenchShape queue(int batch, int keys, int dim, int unit) {
  return {{"B", batch}, {"K", keys}, {"D", dim}, {"UNIT", unit}};
}

}  // namespace

std::vector<BenchKernel> infonce_benches() {
  return {{"infonce",
           "loss and dq of B queries over a queue of K keys of D; UNIT 0: the maximum is followed",
           {queue(256, 65536, 128, 1), queue(256, 65536, 128, 0), queue(256, 4096, 128, 1),
            queue(256, 60000, 512, 1), queue(256, 65536, 100, 1)},
           infonce<float>,
           infonce<bf16>}};
}

}  // namespace autodidact
