#include "train/evaluate/linear.h"
#include <algorithm>
#include <cmath>
#include <numbers>
#include <sstream>
#include "engine/ops.h"
#include "kernels/gemm.h"
#include "kernels/parallel.h"
#include "train/data/shuffle.h"

namespace autodidact {

static constexpr float kBatchNormEps = 1e-6f;

std::string LinearOptions::describe() const {
  std::ostringstream text;
  text << "SGD, momentum " << momentum << ", weight decay " << weight_decay << ", cosine, "
       << epochs << " epochs, batch " << batch;
  if (batchnorm) text << ", BatchNorm without scale and shift (eps " << kBatchNormEps << ")";
  return text.str();
}

namespace {

void check_matrix(const Tensor& x, const std::vector<int32_t>& labels, int classes) {
  check(x.shape.rank() == 2 && x.shape[0] > 0 && size_t(x.shape[0]) == labels.size(),
        "linear: x must be [rows > 0, cols] with a label a row, got ", x.shape, " and ",
        labels.size(), " labels");
  for (int32_t label : labels)
    check(label >= 0 && label < classes, "linear: labels must be 0 .. ", classes - 1, ", got ",
          label);
}

void linear_forward(Tensor& logits, const Tensor& x, const LinearClassifiers& m, int rows) {
  const int cols = m.weight.shape[1], outputs = m.weight.shape[0];
  run(Cpu{}, Gemm<float>{.c = ptr<float>(logits),
                         .a = ptr<float>(x),
                         .b = ptr<float>(m.weight),
                         .bias = ptr<float>(m.bias),
                         .m = rows,
                         .n = outputs,
                         .k = cols,
                         .lda = cols,
                         .ldb = cols,
                         .ldc = outputs,
                         .transpose_b = true});
}

// In place: logits -> gradients of each classifier's mean cross entropy, (softmax - onehot) / rows,
// and their sums over the rows. The losses themselves nobody asks for.
void cross_entropy_gradient(float* logits, float* dbias, const int32_t* targets, int rows,
                            int count, int classes) {
  parallel_for(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* sum = dbias + i * classes;
      std::fill_n(sum, classes, 0.0f);
      for (int r = 0; r < rows; ++r) {
        float* z = logits + (int64_t(r) * count + i) * classes;
        const float most = *std::max_element(z, z + classes);
        float total = 0;
        for (int c = 0; c < classes; ++c) total += z[c] = std::exp(z[c] - most);
        for (int c = 0; c < classes; ++c) {
          z[c] = (z[c] / total - float(c == targets[r])) / float(rows);
          sum[c] += z[c];
        }
      }
    }
  });
}

// v = momentum v + g + decay w;  w -= rate v
void momentum_step(float* w, float* v, const float* g, int64_t n, float rate, float momentum,
                   float decay) {
  for (int64_t i = 0; i < n; ++i) {
    v[i] = momentum * v[i] + (g[i] + decay * w[i]);
    w[i] -= rate * v[i];
  }
}

// The classifiers of (x - mean) / sqrt(var + eps) as classifiers of x.
void take_in_statistics(LinearClassifiers& m, const Tensor& mean, const Tensor& var) {
  const int64_t cols = m.weight.shape[1];
  for (int64_t o = 0; o < m.weight.shape[0]; ++o) {
    float* w = ptr<float>(m.weight) + o * cols;
    double shift = 0;
    for (int64_t c = 0; c < cols; ++c) {
      const double scaled =
          double(w[c]) / std::sqrt(double(ptr<float>(var)[c]) + double(kBatchNormEps));
      shift += scaled * double(ptr<float>(mean)[c]);
      w[c] = float(scaled);
    }
    ptr<float>(m.bias)[o] -= float(shift);
  }
}

}  // namespace

LinearClassifiers fit_linear(const Tensor& x, const std::vector<int32_t>& labels, int classes,
                             const LinearOptions& options, const std::vector<int64_t>& rows) {
  check_matrix(x, labels, classes);
  const int64_t n = rows.empty() ? x.shape[0] : int64_t(rows.size());
  const int cols = x.shape[1], count = int(options.rates.size()), outputs = count * classes;
  const int batch = int(std::min<int64_t>(options.batch, n));
  // As the released code, BatchNorm sees full batches alone.
  const int64_t steps_an_epoch = options.batchnorm ? n / batch : (n + batch - 1) / batch;
  const int64_t epochs = std::max<int64_t>(
      options.epochs, (options.least_steps + steps_an_epoch - 1) / steps_an_epoch);

  LinearClassifiers m{options.rates, classes, zeros({outputs, cols}), zeros({outputs})};
  Tensor velocity = zeros({outputs, cols}), bias_velocity = zeros({outputs});
  Tensor gradient = empty({outputs, cols}), bias_gradient = empty({outputs});
  Tensor rows_of_x = empty({batch, cols}), logits = empty({batch, outputs});
  Tensor mean = zeros({cols}), var = full({cols}, 1);  // BatchNorm's running statistics
  std::vector<int32_t> targets(static_cast<size_t>(batch));
  const float *xp = ptr<float>(x), momentum = float(options.momentum);

  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    std::vector<int64_t> order = permutation(n, options.seed, Stream::evaluate, uint32_t(epoch));
    if (!rows.empty())
      for (int64_t& sample : order) sample = rows[size_t(sample)];
    for (int64_t step = 0; step < steps_an_epoch; ++step) {
      const int64_t* sample = order.data() + step * batch;
      const int taken = int(std::min<int64_t>(batch, n - step * batch));
      parallel_for(taken, 16, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          std::copy_n(xp + sample[r] * cols, cols, ptr<float>(rows_of_x) + r * cols);
          targets[size_t(r)] = labels[size_t(sample[r])];
        }
      });
      Tensor input = rows_of_x;
      if (options.batchnorm)
        input = batchnorm(rows_of_x, {}, {}, mean, var, {.eps = kBatchNormEps});
      linear_forward(logits, input, m, taken);
      cross_entropy_gradient(ptr<float>(logits), ptr<float>(bias_gradient), targets.data(), taken,
                             count, classes);
      run(Cpu{}, Gemm<float>{.c = ptr<float>(gradient),
                             .a = ptr<float>(logits),
                             .b = ptr<float>(input),
                             .m = outputs,
                             .n = cols,
                             .k = taken,
                             .lda = outputs,
                             .ldb = cols,
                             .ldc = cols,
                             .transpose_a = true});

      double progress = double(epoch * steps_an_epoch + step) / double(epochs * steps_an_epoch);
      double decay = 0.5 * (1 + std::cos(std::numbers::pi * progress));
      parallel_for(outputs, 4, [&](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) {
          float rate = float(options.rates[size_t(o / classes)] * decay);
          momentum_step(ptr<float>(m.weight) + o * cols, ptr<float>(velocity) + o * cols,
                        ptr<float>(gradient) + o * cols, cols, rate, momentum,
                        float(options.weight_decay));
          momentum_step(ptr<float>(m.bias) + o, ptr<float>(bias_velocity) + o,
                        ptr<float>(bias_gradient) + o, 1, rate, momentum, 0);
        }
      });
    }
  }
  if (options.batchnorm) take_in_statistics(m, mean, var);
  return m;
}

Tensor logits_of(const LinearClassifiers& model, const Tensor& x) {
  check(x.shape.rank() == 2 && x.shape[1] == model.weight.shape[1], "linear: x must be [rows, ",
        model.weight.shape[1], "], got ", x.shape);
  Tensor logits = empty({x.shape[0], model.weight.shape[0]});
  linear_forward(logits, x, model, x.shape[0]);
  return logits;
}

std::vector<double> accuracies(const LinearClassifiers& model, const Tensor& x,
                               const std::vector<int32_t>& labels,
                               const std::vector<int64_t>& rows) {
  check_matrix(x, labels, model.classes);
  Tensor logits = logits_of(model, x);
  const size_t count = model.rates.size(), classes = size_t(model.classes);
  const size_t n = rows.empty() ? labels.size() : rows.size();
  std::vector<double> right(count, 0.0);
  for (size_t i = 0; i < n; ++i) {
    const size_t r = rows.empty() ? i : size_t(rows[i]);
    const float* p = ptr<float>(logits) + r * count * classes;
    for (size_t rate = 0; rate < count; ++rate, p += classes)
      right[rate] += std::max_element(p, p + classes) - p == labels[r];
  }
  for (double& a : right) a /= double(n);
  return right;
}

}  // namespace autodidact
