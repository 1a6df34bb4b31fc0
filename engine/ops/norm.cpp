// Layer, group and batch normalisation; both forms of batchnorm share what they put on the tape.
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"
#include "kernels/batchnorm.h"
#include "kernels/groupnorm.h"
#include "kernels/layernorm.h"

namespace autodidact {

namespace {

void check_channels(const char* op, const char* what, const Tensor& t, const Tensor& x) {
  check(t.shape == Shape{x.shape.back()} && t.dtype == acc(x.dtype), op, ": ", what, " must be ",
        Shape{x.shape.back()}, " ", acc(x.dtype), ", got ", t.shape, " ", t.dtype);
}

// A batch may be empty; a sample may not.
void check_input(const char* op, const Tensor& x, const NormOptions& options) {
  check_dtypes(op, x);
  check(x.shape.rank() >= 2 && Shape(x.shape.begin() + 1, x.shape.end()).size() >= 1, op,
        ": x must be [N, .., C] with pixels and channels, got ", x.shape);
  const Tensor& r = options.residual;
  check(!r || (r.shape == x.shape && r.dtype == x.dtype), op, ": the residual must be as x, ",
        x.shape, " ", x.dtype, ", got ", r.shape, " ", r.dtype);
}

// The gradient of the residual: memory to write dy (y > 0) into, or dy itself.
Tensor residual_gradient(const Tensor& dy, GradSlots& d, int slot, bool relu) {
  if (relu) return d.activation(slot);
  d.pass(slot, dy);
  return {};
}

// The statistics are written where memory is given for them.
Tensor layernorm_forward(const Tensor& mean, const Tensor& rstd, const Tensor& x,
                         const Tensor& gamma, const Tensor& beta, float eps) {
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, LayerNormForward<T>{ptr<T>(y), ptr<Acc<T>>(mean), ptr<Acc<T>>(rstd), ptr<T>(x),
                                   ptr<Acc<T>>(gamma), ptr<Acc<T>>(beta), rows_of(x.shape),
                                   x.shape.back(), eps});
  });
  return y;
}

Tensor groupnorm_forward(const Tensor& mean, const Tensor& rstd, const Tensor& x,
                         const Tensor& gamma, const Tensor& beta, int groups,
                         const NormOptions& options) {
  const int N = x.shape[0], C = x.shape.back();
  const int pixels = int(Shape(x.shape.begin() + 1, x.shape.end() - 1).size());
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T>(auto queue, T) {
    using A = Acc<T>;
    run(queue, GroupNormForward<T>{ptr<T>(y), ptr<A>(mean), ptr<A>(rstd), ptr<T>(x), ptr<A>(gamma),
                                   ptr<A>(beta), ptr<T>(options.residual), N, pixels, C, groups,
                                   options.eps, options.relu});
  });
  return y;
}

// Where a ReLU follows, its gradient asks y which way it went.
Saved saved_gate(const Tensor& y, const Saved& output, bool relu) {
  if (!relu) return {};
  return output ? output : keep(y);
}

}  // namespace

Tensor layernorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, float eps) {
  check_dtypes("layernorm", x);
  check(x.shape.rank() >= 1 && x.shape.back() >= 1, "layernorm: x must be [.., C], got ", x.shape);
  check_channels("layernorm", "gamma", gamma, x);
  check_channels("layernorm", "beta", beta, x);
  int cols = x.shape.back();
  int64_t rows = int_size("layernorm", rows_of(x.shape));
  Tensor mean = empty({int(rows)}, acc(x.dtype), x.device()), rstd = empty_like(mean);
  Tensor y = layernorm_forward(mean, rstd, x, gamma, beta, eps);
  const Saved x_kept = keep(x), gamma_kept = keep(gamma);
  const Saved output = remade(y, [x = x_kept, gamma = gamma_kept, beta = keep(beta), eps] {
    return layernorm_forward({}, {}, x, gamma, beta, eps);
  });
  return record(
      "layernorm", y, {x, gamma, beta},
      [x = x_kept, gamma = gamma_kept, mean = save(mean), rstd = save(rstd), rows, cols](
          const Tensor& dy, GradSlots& d) {
        Tensor dx = d.activation(0), dgamma = d.weight(1), dbeta = d.weight(2);
        dispatch(dy, [&]<class T>(auto queue, T) {
          using A = Acc<T>;
          run(queue, LayerNormBackward<T>{ptr<T>(dx), ptr<A>(dgamma), ptr<A>(dbeta), ptr<T>(dy),
                                          ptr<T>(*x), ptr<A>(*gamma), ptr<A>(*mean), ptr<A>(*rstd),
                                          rows, cols});
        });
      },
      output);
}

Tensor groupnorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, int groups,
                 const NormOptions& options) {
  check_input("groupnorm", x, options);
  check_channels("groupnorm", "gamma", gamma, x);
  check_channels("groupnorm", "beta", beta, x);
  int N = x.shape[0], C = x.shape.back();
  int pixels = int_size("groupnorm", Shape(x.shape.begin() + 1, x.shape.end() - 1).size());
  check(groups >= 1 && C % groups == 0, "groupnorm: groups must divide the ", C, " channels, got ",
        groups);
  bool relu = options.relu;
  Tensor mean = empty({N, groups}, acc(x.dtype), x.device()), rstd = empty_like(mean);
  Tensor y = groupnorm_forward(mean, rstd, x, gamma, beta, groups, options);
  const Saved x_kept = keep(x), gamma_kept = keep(gamma);
  Saved output;
  if (!remakable(options.residual))
    output = remade(y, [x = x_kept, gamma = gamma_kept, beta = keep(beta), groups,
                        eps = options.eps, relu, residual = keep(options.residual)] {
      return groupnorm_forward({}, {}, x, gamma, beta, groups, {eps, relu, residual});
    });
  return record(
      "groupnorm", y, {x, gamma, beta, options.residual},
      [x = x_kept, y = saved_gate(y, output, relu), gamma = gamma_kept, mean = save(mean),
       rstd = save(rstd), N, pixels, C, groups, relu](const Tensor& dy, GradSlots& d) {
        Tensor dx = d.activation(0), dgamma = d.weight(1), dbeta = d.weight(2);
        Tensor dresidual = residual_gradient(dy, d, 3, relu);
        dispatch(dy, [&]<class T>(auto queue, T) {
          using A = Acc<T>;
          run(queue,
              GroupNormBackward<T>{ptr<T>(dx), ptr<A>(dgamma), ptr<A>(dbeta), ptr<T>(dresidual),
                                   ptr<T>(dy), ptr<T>(*x), ptr<T>(*y), ptr<A>(*gamma),
                                   ptr<A>(*mean), ptr<A>(*rstd), N, pixels, C, groups, relu});
        });
      },
      output);
}

namespace {

Tensor batchnorm_apply(const Tensor& x, const Tensor& mean, const Tensor& rstd, const Tensor& gamma,
                       const Tensor& beta, bool relu, const Tensor& residual) {
  const int C = x.shape.back();
  Tensor y = empty_like(x);
  dispatch(x, [&]<class T>(auto queue, T) {
    using A = Acc<T>;
    run(queue, BatchNormApply<T>{ptr<T>(y), ptr<T>(x), ptr<A>(mean), ptr<A>(rstd), ptr<A>(gamma),
                                 ptr<A>(beta), ptr<T>(residual), x.size() / C, C,
                                 int(mean.size()) / C, relu});
  });
  return y;
}

// The tape's part of both forms of batch normalisation.
Tensor record_batchnorm(const char* name, const Tensor& y, const Tensor& x, const Tensor& gamma,
                        const Tensor& beta, const Tensor& mean, const Tensor& rstd,
                        const NormOptions& options, int splits, bool constant_statistics) {
  int C = x.shape.back();
  int64_t rows = x.size() / C;
  bool relu = options.relu;
  const Saved x_kept = keep(x), gamma_kept = keep(gamma), mean_kept = keep(mean),
              rstd_kept = keep(rstd);
  Saved output;
  if (!remakable(options.residual))
    output = remade(y, [x = x_kept, mean = mean_kept, rstd = rstd_kept, gamma = gamma_kept,
                        beta = keep(beta), relu, residual = keep(options.residual)] {
      return batchnorm_apply(x, mean, rstd, gamma, beta, relu, residual);
    });
  return record(
      name, y, {x, gamma, beta, options.residual},
      [x = x_kept, y = saved_gate(y, output, relu), gamma = gamma_kept, mean = mean_kept,
       rstd = rstd_kept, rows, C, splits, relu,
       constant_statistics](const Tensor& dy, GradSlots& d) {
        Tensor dx = d.activation(0), dgamma = d.weight(1), dbeta = d.weight(2);
        Tensor dresidual = residual_gradient(dy, d, 3, relu);
        dispatch(dy, [&]<class T>(auto queue, T) {
          using A = Acc<T>;
          run(queue, BatchNormBackward<T>{ptr<T>(dx), ptr<A>(dgamma), ptr<A>(dbeta),
                                          ptr<T>(dresidual), ptr<T>(dy), ptr<T>(*x), ptr<T>(*y),
                                          ptr<A>(*gamma), ptr<A>(*mean), ptr<A>(*rstd), rows, C,
                                          splits, relu, constant_statistics});
        });
      },
      output);
}

}  // namespace

Tensor batchnorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor& running_mean,
                 Tensor& running_var, const NormOptions& options, float momentum, int splits) {
  check_input("batchnorm", x, options);
  if (gamma) check_channels("batchnorm", "gamma", gamma, x);
  if (beta) check_channels("batchnorm", "beta", beta, x);
  check_channels("batchnorm", "running_mean", running_mean, x);
  check_channels("batchnorm", "running_var", running_var, x);
  int C = x.shape.back();
  int64_t rows = x.size() / C;
  check(splits >= 1 && x.shape[0] % splits == 0, "batchnorm: splits must divide the ", x.shape[0],
        " samples, got ", splits);
  check(rows / splits >= 2, "batchnorm: training needs two values a channel, got ", x.shape, " in ",
        splits, " splits");
  Tensor y = empty_like(x), mean = empty({splits, C}, acc(x.dtype), x.device());
  Tensor rstd = empty_like(mean);
  dispatch(x, [&]<class T>(auto queue, T) {
    using A = Acc<T>;
    run(queue, BatchNormForward<T>{ptr<T>(y), ptr<A>(mean), ptr<A>(rstd), ptr<A>(running_mean),
                                   ptr<A>(running_var), ptr<T>(x), ptr<A>(gamma), ptr<A>(beta),
                                   ptr<T>(options.residual), rows, C, splits, options.eps, momentum,
                                   options.relu});
  });
  ++running_mean.buffer->version;
  if (running_var.buffer != running_mean.buffer) ++running_var.buffer->version;
  return record_batchnorm("batchnorm", y, x, gamma, beta, mean, rstd, options, splits, false);
}

Tensor batchnorm_inference(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                           const Tensor& running_mean, const Tensor& running_var,
                           const NormOptions& options) {
  check_input("batchnorm_inference", x, options);
  if (gamma) check_channels("batchnorm_inference", "gamma", gamma, x);
  if (beta) check_channels("batchnorm_inference", "beta", beta, x);
  check_channels("batchnorm_inference", "running_mean", running_mean, x);
  check_channels("batchnorm_inference", "running_var", running_var, x);
  int C = x.shape.back();
  Tensor y = empty_like(x), rstd = empty({C}, acc(x.dtype), x.device());
  dispatch(x, [&]<class T>(auto queue, T) {
    using A = Acc<T>;
    run(queue,
        BatchNormInference<T>{ptr<T>(y), ptr<A>(rstd), ptr<T>(x), ptr<A>(gamma), ptr<A>(beta),
                              ptr<A>(running_mean), ptr<A>(running_var), ptr<T>(options.residual),
                              x.size() / C, C, options.eps, options.relu});
  });
  return record_batchnorm("batchnorm_inference", y, x, gamma, beta, running_mean, rstd, options, 1,
                          true);
}

}  // namespace autodidact
