// Softmax, its logarithm, and cross entropy with integer labels, each over the last dimension.
// Cross entropy needs a workspace on CUDA (device_scratch.h): 4 bytes a row.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// y = exp(x - max) / sum exp(x - max).   y, x: [rows, cols]; y may be x
template <class T>
struct SoftmaxForward {
  T* y;
  const T* x;
  int64_t rows;
  int cols;
};
// dx = y (dy - sum(dy y)).   dx may be dy
template <class T>
struct SoftmaxBackward {
  T* dx;
  const T *dy, *y;
  int64_t rows;
  int cols;
};

// y = x - log sum exp(x), summed as (x - max) - log sum exp(x - max).   y, x: [rows, cols]; y may
// be x
template <class T>
struct LogSoftmaxForward {
  T* y;
  const T* x;
  int64_t rows;
  int cols;
};
// dx = dy - exp(y) sum(dy).   dx may be dy
template <class T>
struct LogSoftmaxBackward {
  T* dx;
  const T *dy, *y;
  int64_t rows;
  int cols;
};

// loss = mean over the counted rows of log sum exp(logits) - sum_c target_c logit_c, where
// target = (1 - smoothing) onehot(label) + smoothing / cols, as PyTorch. A row with a negative
// label does not count; with no row counted the loss is NaN, as PyTorch's.
template <class T>
struct CrossEntropyForward {
  Acc<T>* loss;          // [1]
  Acc<T>*max, *log_sum;  // [rows]: of the logits, and log sum exp(logits - max). Apart, since their
                         // sum loses the digits that the probabilities are made of
  Acc<T>* row_loss;      // [rows], or null; 0 for a row that does not count
  const T* logits;       // [rows, cols]
  const int32_t* labels;  // [rows], below cols; on CUDA the loss is NaN where one is not
  int64_t rows;
  int cols;
  float smoothing;
};
// dlogits = dloss / counted (exp((logits - max) - log_sum) - target), 0 for a row that does not
// count.
template <class T>
struct CrossEntropyBackward {
  T* dlogits;                  // [rows, cols]
  const Acc<T>* dloss;         // [1]
  const T* logits;             // [rows, cols]
  const Acc<T>*max, *log_sum;  // [rows], of the forward pass
  const int32_t* labels;       // [rows]
  int64_t rows;
  int cols;
  float smoothing;
};

template <class T>
void run(Cpu, SoftmaxForward<T>);
template <class T>
void run(Cpu, SoftmaxBackward<T>);
template <class T>
void run(Cpu, LogSoftmaxForward<T>);
template <class T>
void run(Cpu, LogSoftmaxBackward<T>);
template <class T>
void run(Cpu, CrossEntropyForward<T>);
template <class T>
void run(Cpu, CrossEntropyBackward<T>);
template <class T>
void run(Cuda, SoftmaxForward<T>);
template <class T>
void run(Cuda, SoftmaxBackward<T>);
template <class T>
void run(Cuda, LogSoftmaxForward<T>);
template <class T>
void run(Cuda, LogSoftmaxBackward<T>);
template <class T>
void run(Cuda, CrossEntropyForward<T>);
template <class T>
void run(Cuda, CrossEntropyBackward<T>);

}  // namespace autodidact
