#include "train/evaluate/standardize.h"
#include <cmath>
#include "kernels/parallel.h"

namespace autodidact {

Standardization statistics_of(const Tensor& x) {
  check(x.shape.rank() == 2 && x.shape[0] > 0, "statistics_of: x must be [rows > 0, cols], got ",
        x.shape);
  const float* p = ptr<float>(x);
  const int64_t rows = x.shape[0], cols = x.shape[1], grain = 1024;
  // Sums and sums of squares of differences from the first row: exact enough in double at any mean.
  const int64_t chunks = chunk_count(rows, grain);
  std::vector<double> partial(size_t(chunks * 2 * cols), 0.0);
  for_chunks(rows, grain, [&](int64_t chunk, int64_t begin, int64_t end) {
    double *sum = partial.data() + chunk * 2 * cols, *squares = sum + cols;
    for (int64_t r = begin; r < end; ++r)
      for (int64_t c = 0; c < cols; ++c) {
        double d = double(p[r * cols + c]) - double(p[c]);
        sum[c] += d, squares[c] += d * d;
      }
  });
  Standardization s{std::vector<float>(size_t(cols)), std::vector<float>(size_t(cols))};
  std::vector<double> variance(size_t(cols), 0.0);
  double mean_variance = 0;
  for (int64_t c = 0; c < cols; ++c) {
    double sum = 0, squares = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      sum += partial[size_t(chunk * 2 * cols + c)];
      squares += partial[size_t((chunk * 2 + 1) * cols + c)];
    }
    double mean = sum / double(rows);
    s.mean[size_t(c)] = float(double(p[c]) + mean);
    variance[size_t(c)] = std::max(0.0, squares / double(rows) - mean * mean);
    mean_variance += variance[size_t(c)] / double(cols);
  }
  for (size_t c = 0; c < size_t(cols); ++c)
    s.scale[c] = variance[c] > 0 ? float(1 / std::sqrt(variance[c] + 1e-4 * mean_variance)) : 0.0f;
  return s;
}

void standardize(Tensor& x, const Standardization& s) {
  check(x.shape.rank() == 2 && size_t(x.shape[1]) == s.mean.size(),
        "standardize: x must be [rows, ", s.mean.size(), "], got ", x.shape);
  float* p = ptr<float>(x);
  const size_t cols = s.mean.size();
  parallel_for(x.shape[0], 256, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      float* row = p + size_t(r) * cols;
      for (size_t c = 0; c < cols; ++c) row[c] = (row[c] - s.mean[c]) * s.scale[c];
    }
  });
  ++x.buffer->version;
}

}  // namespace autodidact
