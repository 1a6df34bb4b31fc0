#include "train/evaluate/fill.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "train/data/image.h"

namespace autodidact {
namespace {

// Whether each pixel of picture n is hidden: [side * side].
std::vector<char> hidden_pixels(const Shape& s, const PatchMask& mask, int n, int patch) {
  std::vector<char> hidden(size_t(s[1] * s[2]));
  const int across = s[2] / patch;
  for (int y = 0; y < s[1]; ++y)
    for (int x = 0; x < s[2]; ++x)
      hidden[size_t(y * s[2] + x)] =
          ptr<const int32_t>(mask.place)[n * mask.patches() + y / patch * across + x / patch] < 0;
  return hidden;
}

void check_pictures(const Tensor& pictures, const PatchMask& mask, int patch) {
  const Shape& s = pictures.shape;
  check(s.rank() == 4 && s[3] == 3 && s[1] % patch == 0 && s[2] % patch == 0 &&
            mask.patches() == s[1] / patch * (s[2] / patch),
        "fill: pictures must be [N, H, W, 3] of the mask's patches, got ", s);
}

}  // namespace

Tensor mean_fill(const Tensor& pictures, const PatchMask& mask, int patch) {
  check_pictures(pictures, mask, patch);
  const Shape& s = pictures.shape;
  Tensor y = clone(pictures);
  for (int n = 0; n < s[0]; ++n) {
    const std::vector<char> hidden = hidden_pixels(s, mask, n, patch);
    float* p = ptr<float>(y) + int64_t(n) * s[1] * s[2] * 3;
    for (int c = 0; c < 3; ++c) {
      double sum = 0, count = 0;
      for (size_t i = 0; i < hidden.size(); ++i)
        if (!hidden[i]) sum += double(p[i * 3 + size_t(c)]), ++count;
      for (size_t i = 0; i < hidden.size(); ++i)
        if (hidden[i]) p[i * 3 + size_t(c)] = float(sum / count);
    }
  }
  return y;
}

Tensor harmonic_fill(const Tensor& pictures, const PatchMask& mask, int patch) {
  check_pictures(pictures, mask, patch);
  const Shape& s = pictures.shape;
  Tensor y = mean_fill(pictures, mask, patch);  // a start not far off
  constexpr int kMostSweeps = 2000;
  constexpr float kRelaxation = 1.85f, kStill = 1e-5f;
  const int H = s[1], W = s[2];
  parallel_for(s[0], 1, [&](int64_t n, int64_t) {
    const std::vector<char> hidden = hidden_pixels(s, mask, int(n), patch);
    float* p = ptr<float>(y) + n * H * W * 3;
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      float moved = 0;
      for (int i = 0; i < H; ++i)
        for (int j = 0; j < W; ++j) {
          if (!hidden[size_t(i * W + j)]) continue;
          for (int c = 0; c < 3; ++c) {
            float* at = p + (i * W + j) * 3 + c;
            float sum = 0, count = 0;
            if (i > 0) sum += at[-3 * W], ++count;
            if (i + 1 < H) sum += at[3 * W], ++count;
            if (j > 0) sum += at[-3], ++count;
            if (j + 1 < W) sum += at[3], ++count;
            const float step = kRelaxation * (sum / count - *at);
            *at += step;
            moved = std::max(moved, std::abs(step));
          }
        }
      if (moved < kStill) break;
    }
  });
  return y;
}

// ---- the linear guess

namespace {

// Rows of pixels in [0, 1].   [count, side side 3]
Tensor picture_rows(const Dataset& data, int64_t begin, int64_t end, int side) {
  const int numbers = side * side * 3;
  Tensor x = empty({int(end - begin), numbers});
  std::vector<uint8_t> pixels(static_cast<size_t>(numbers));
  for (int64_t i = begin; i < end; ++i) {
    load_square(pixels.data(), data, i, side);
    float* row = ptr<float>(x) + (i - begin) * numbers;
    for (int k = 0; k < numbers; ++k) row[k] = float(pixels[size_t(k)]) / 255;
  }
  return x;
}

// a = l l^T in place (the lower half), then x = a^-1 b for every row of b [rows, n].
void solve_symmetric(std::vector<double>& a, int n, std::vector<double>& b, int64_t rows) {
  const size_t N = size_t(n);
  for (size_t j = 0; j < N; ++j) {
    double* row = &a[j * N];
    for (size_t k = 0; k < j; ++k) row[j] -= row[k] * row[k];
    check(row[j] > 0, "linear fill: the covariance is not positive; the ridge is too small");
    row[j] = std::sqrt(row[j]);
    parallel_for(int64_t(N - j - 1), 64, [&](int64_t begin, int64_t end) {
      for (size_t i = j + 1 + size_t(begin); i < j + 1 + size_t(end); ++i) {
        double sum = a[i * N + j];
        for (size_t k = 0; k < j; ++k) sum -= a[i * N + k] * row[k];
        a[i * N + j] = sum / row[j];
      }
    });
  }
  parallel_for(rows, 1, [&](int64_t r, int64_t) {
    double* x = &b[size_t(r) * N];
    for (size_t i = 0; i < N; ++i) {
      for (size_t k = 0; k < i; ++k) x[i] -= a[i * N + k] * x[k];
      x[i] /= a[i * N + i];
    }
    for (size_t i = N; i-- > 0;) {
      x[i] /= a[i * N + i];
      for (size_t k = 0; k < i; ++k) x[k] -= a[i * N + k] * x[i];
    }
  });
}

struct Halves {
  std::vector<int> hidden, visible;  // numbers of a picture
};
Halves halves(const Shape& s, const PatchMask& mask, int of, int patch) {
  Halves h;
  const std::vector<char> hidden = hidden_pixels(s, mask, of, patch);
  for (int i = 0; i < int(hidden.size()); ++i)
    for (int c = 0; c < 3; ++c) (hidden[size_t(i)] ? h.hidden : h.visible).push_back(i * 3 + c);
  return h;
}

}  // namespace

LinearFill::LinearFill(const Dataset& training, int side, int64_t pictures, const PatchMask& mask,
                       int patch) {
  constexpr int64_t kHeld = 200, kBatch = 2048;
  const int D = side * side * 3;
  pictures_ = std::min(pictures, training.size() - kHeld);
  check(pictures_ >= 1, "linear fill: needs more than ", kHeld, " training pictures, got ",
        training.size());
  mean_.assign(size_t(D), 0);
  covariance_ = zeros({D, D});
  // Products of what lies near zero: 0.5 is taken off before the mean is known.
  for (int64_t begin = 0; begin < pictures_; begin += kBatch) {
    const int64_t end = std::min(begin + kBatch, pictures_);
    Tensor x = picture_rows(training, begin, end, side);
    float* p = ptr<float>(x);
    for (int64_t i = 0; i < x.size(); ++i) {
      p[i] -= 0.5f;
      mean_[size_t(i % D)] += double(p[i]) / double(pictures_);
    }
    run(Cpu{}, Gemm<float>{.c = ptr<float>(covariance_),
                           .a = p,
                           .b = p,
                           .m = D,
                           .n = D,
                           .k = int(end - begin),
                           .lda = D,
                           .ldb = D,
                           .ldc = D,
                           .transpose_a = true,
                           .alpha = 1 / float(pictures_),
                           .beta = begin ? 1.0f : 0.0f});
  }
  float* c = ptr<float>(covariance_);
  for (int i = 0; i < D; ++i)
    for (int j = 0; j < D; ++j) c[int64_t(i) * D + j] -= float(mean_[size_t(i)] * mean_[size_t(j)]);
  for (double& m : mean_) m += 0.5;

  Tensor held = reshape(picture_rows(training, pictures_, pictures_ + kHeld, side),
                        {int(kHeld), side, side, 3});
  const Halves h = halves(held.shape, mask, 0, patch);
  double least = std::numeric_limits<double>::infinity();
  for (double ridge : {3e-4, 1e-3, 3e-3, 1e-2}) {
    Tensor y = fill(held, h.hidden, h.visible, ridge);
    double error = 0;
    for (int64_t i = 0; i < y.size(); ++i)
      error += std::pow(double(ptr<float>(y)[i]) - double(ptr<float>(held)[i]), 2);
    if (error < least) least = error, ridge_ = ridge;
  }
}

Tensor LinearFill::fill(const Tensor& pictures, const std::vector<int>& hidden,
                        const std::vector<int>& visible, double ridge) const {
  const int n = int(visible.size()), rows = pictures.shape[0], D = int(mean_.size());
  const float* c = ptr<const float>(covariance_);
  std::vector<double> a(size_t(n) * size_t(n)), b(size_t(rows) * size_t(n));
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      a[size_t(i) * size_t(n) + size_t(j)] =
          double(c[int64_t(visible[size_t(i)]) * D + visible[size_t(j)]]) + (i == j ? ridge : 0);
  Tensor y = clone(pictures);
  float* p = ptr<float>(y);
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < n; ++i)
      b[size_t(r) * size_t(n) + size_t(i)] =
          double(p[int64_t(r) * D + visible[size_t(i)]]) - mean_[size_t(visible[size_t(i)])];
  solve_symmetric(a, n, b, rows);
  parallel_for(rows, 1, [&](int64_t r, int64_t) {
    for (int to : hidden) {
      double value = mean_[size_t(to)];
      for (int i = 0; i < n; ++i)
        value +=
            double(c[int64_t(to) * D + visible[size_t(i)]]) * b[size_t(r) * size_t(n) + size_t(i)];
      p[r * D + to] = float(value);
    }
  });
  return y;
}

Tensor LinearFill::fill(const Tensor& pictures, const PatchMask& mask, int of, int patch) const {
  check_pictures(pictures, mask, patch);
  const Halves h = halves(pictures.shape, mask, of, patch);
  return fill(pictures, h.hidden, h.visible, ridge_);
}

}  // namespace autodidact
