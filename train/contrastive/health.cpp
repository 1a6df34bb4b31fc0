#include "train/contrastive/health.h"
#include <algorithm>
#include <cmath>
#include "kernels/gemm.h"

namespace autodidact {
namespace {

// a b^T.   a: [m, d]; b: [n, d]
Tensor products(const Tensor& a, const Tensor& b) {
  Tensor c = empty({a.shape[0], b.shape[0]});
  const int d = a.shape[1];
  run(Cpu{}, Gemm<float>{.c = ptr<float>(c),
                         .a = ptr<const float>(a),
                         .b = ptr<const float>(b),
                         .m = a.shape[0],
                         .n = b.shape[0],
                         .k = d,
                         .lda = d,
                         .ldb = d,
                         .ldc = b.shape[0],
                         .transpose_b = true});
  return c;
}

std::vector<double> means_of(const Tensor& z) {
  const int n = z.shape[0], d = z.shape[1];
  const float* p = ptr<const float>(z);
  std::vector<double> mean(static_cast<size_t>(d));
  for (int i = 0; i < n; ++i)
    for (int c = 0; c < d; ++c) mean[size_t(c)] += double(p[int64_t(i) * d + c]);
  for (double& m : mean) m /= n;
  return mean;
}

// Eigenvalues of a symmetric matrix [d, d] by Jacobi's rotations, until what is off the diagonal is
// below 1e-12 of it.
std::vector<double> eigenvalues(std::vector<double> a, size_t d) {
  auto at = [&](size_t i, size_t j) -> double& { return a[i * d + j]; };
  constexpr int kSweeps = 30;  // it converges in about ten
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double off = 0, diagonal = 0;
    for (size_t i = 0; i < d; ++i) {
      diagonal += at(i, i) * at(i, i);
      for (size_t j = i + 1; j < d; ++j) off += at(i, j) * at(i, j);
    }
    if (off <= 1e-24 * diagonal) break;
    for (size_t p = 0; p < d; ++p)
      for (size_t q = p + 1; q < d; ++q) {
        if (at(p, q) == 0) continue;
        const double theta = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double cosine = 1 / std::sqrt(t * t + 1), sine = t * cosine;
        for (size_t k = 0; k < d; ++k) {  // columns, then rows
          const double x = at(k, p), y = at(k, q);
          at(k, p) = cosine * x - sine * y, at(k, q) = sine * x + cosine * y;
        }
        for (size_t k = 0; k < d; ++k) {
          const double x = at(p, k), y = at(q, k);
          at(p, k) = cosine * x - sine * y, at(q, k) = sine * x + cosine * y;
        }
      }
  }
  std::vector<double> values;
  for (size_t i = 0; i < d; ++i) values.push_back(at(i, i));
  return values;
}

}  // namespace

double relative_std(const Tensor& z) {
  const int n = z.shape[0], d = z.shape[1];
  const std::vector<double> mean = means_of(z);
  std::vector<double> squares(static_cast<size_t>(d));
  const float* p = ptr<const float>(z);
  for (int i = 0; i < n; ++i)
    for (size_t c = 0; c < size_t(d); ++c) {
      const double x = double(*p++) - mean[c];
      squares[c] += x * x;
    }
  double total = 0;
  for (double s : squares) total += std::sqrt(s / n);
  return total / d * std::sqrt(double(d));
}

double effective_rank(const Tensor& z) {
  const int n = z.shape[0];
  const size_t d = size_t(z.shape[1]);
  const std::vector<double> mean = means_of(z);
  std::vector<double> covariance(d * d), x(d);
  const float* p = ptr<const float>(z);
  for (int i = 0; i < n; ++i) {
    for (size_t c = 0; c < d; ++c) x[c] = double(*p++) - mean[c];
    for (size_t r = 0; r < d; ++r)
      for (size_t c = 0; c < d; ++c) covariance[r * d + c] += x[r] * x[c];
  }
  // Of unit vectors in one place what is left is the rounding of f32, 1e-7 a number.
  double trace = 0, total = 0, entropy = 0;
  for (size_t c = 0; c < d; ++c) trace += covariance[c * d + c];
  if (trace / n < 1e-10) return 0;
  std::vector<double> singular;
  for (double v : eigenvalues(std::move(covariance), d)) {
    singular.push_back(std::sqrt(std::max(v, 0.0)));
    total += singular.back();
  }
  for (double s : singular)
    if (s > 0) entropy -= s / total * std::log(s / total);
  return std::exp(entropy);
}

double alignment(const Tensor& a, const Tensor& b) {
  const float *x = ptr<const float>(a), *y = ptr<const float>(b);
  double total = 0;
  for (int64_t i = 0; i < a.size(); ++i) total += double(x[i] - y[i]) * double(x[i] - y[i]);
  return total / a.shape[0];
}

double uniformity(const Tensor& z) {
  const int n = z.shape[0];
  Tensor cosines = products(z, z);
  double total = 0;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < i; ++j)  // |zi - zj|^2 = 2 - 2 cos
      total += std::exp(-4 * (1 - double(ptr<const float>(cosines)[int64_t(i) * n + j])));
  return std::log(total / (double(n) * (n - 1) / 2));
}

SimilarityHistogram similarity_histogram(const Tensor& a, const Tensor& b, int bins) {
  const int n = a.shape[0];
  Tensor cosines = products(a, b);
  SimilarityHistogram h;
  h.positive.resize(size_t(bins)), h.negative.resize(size_t(bins));
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      const double cosine = double(ptr<const float>(cosines)[int64_t(i) * n + j]);
      const int bin = std::clamp(int((cosine + 1) / 2 * bins), 0, bins - 1);
      ++(i == j ? h.positive : h.negative)[size_t(bin)];
      (i == j ? h.positive_mean : h.negative_mean) += cosine;
    }
  h.positive_mean /= n, h.negative_mean /= std::max(1.0, double(n) * (n - 1));
  return h;
}

}  // namespace autodidact
