// Softmax and cross entropy on CUDA: a row of threads for each row. The first pass brings a row
// into the first-level cache, the others find it there.
#include "kernels/softmax.h"
#include "kernels/columns.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256;

// Of this thread: its row, and the columns it reads: none where the row does not exist.
struct Row {
  int64_t index, at;
  int cols;
  __device__ Row(int64_t rows, int all_cols)
      : index(int64_t(blockIdx.x) * blockDim.y + threadIdx.y),
        at(index * all_cols),
        cols(index < rows ? all_cols : 0) {}
};

// f(c) for each pack [c, c + N) of this thread.
template <int N, class F>
__device__ __forceinline__ void for_packs(const Row& row, F f) {
  for (int c = int(threadIdx.x) * N; c < row.cols; c += int(blockDim.x) * N) f(c);
}

// sum exp(x - max), apart from max: their sum, log sum exp, would be rounded to max's magnitude.
struct RowSum {
  float max, log_sum;
};
template <int N, class T>
__device__ __forceinline__ RowSum sum_of_row(const T* x, const Row& row, RowMemory<float>& memory) {
  float most = Largest::nothing<float>(), total = 0;
  for_packs<N>(row, [&](int c) {
    auto v = load_acc<N>(x + row.at + c);
    for (int j = 0; j < N; ++j) most = max(v.v[j], most);
  });
  most = row_reduce<Largest>(most, memory);
  for_packs<N>(row, [&](int c) {
    auto v = load_acc<N>(x + row.at + c);
    for (int j = 0; j < N; ++j) total += exp(v.v[j] - most);
  });
  return {most, log(row_sum(total, memory))};
}

template <int N, class T>
__global__ void softmax_kernel(SoftmaxForward<T> p) {
  Row row(p.rows, p.cols);
  RowSum s = sum_of_row<N>(p.x, row, shared<RowMemory<float>>());
  for_packs<N>(row, [&](int c) {
    auto v = load_acc<N>(p.x + row.at + c);
    for (int j = 0; j < N; ++j) v.v[j] = exp((v.v[j] - s.max) - s.log_sum);
    store_acc<N>(p.y + row.at + c, v);
  });
}

template <int N, class T>
__global__ void softmax_kernel(LogSoftmaxForward<T> p) {
  Row row(p.rows, p.cols);
  RowSum s = sum_of_row<N>(p.x, row, shared<RowMemory<float>>());
  for_packs<N>(row, [&](int c) {
    auto v = load_acc<N>(p.x + row.at + c);
    for (int j = 0; j < N; ++j) v.v[j] = (v.v[j] - s.max) - s.log_sum;
    store_acc<N>(p.y + row.at + c, v);
  });
}

template <int N, class T>
__global__ void softmax_kernel(SoftmaxBackward<T> p) {
  Row row(p.rows, p.cols);
  float dot = 0;
  for_packs<N>(row, [&](int c) {
    auto dy = load_acc<N>(p.dy + row.at + c), y = load_acc<N>(p.y + row.at + c);
    for (int j = 0; j < N; ++j) dot = fma(dy.v[j], y.v[j], dot);
  });
  dot = row_sum(dot, shared<RowMemory<float>>());
  for_packs<N>(row, [&](int c) {
    auto dy = load_acc<N>(p.dy + row.at + c), y = load_acc<N>(p.y + row.at + c);
    for (int j = 0; j < N; ++j) y.v[j] *= dy.v[j] - dot;
    store_acc<N>(p.dx + row.at + c, y);
  });
}

template <int N, class T>
__global__ void softmax_kernel(LogSoftmaxBackward<T> p) {
  Row row(p.rows, p.cols);
  float total = 0;
  for_packs<N>(row, [&](int c) {
    auto dy = load_acc<N>(p.dy + row.at + c);
    for (int j = 0; j < N; ++j) total += dy.v[j];
  });
  total = row_sum(total, shared<RowMemory<float>>());
  for_packs<N>(row, [&](int c) {
    auto dy = load_acc<N>(p.dy + row.at + c), y = load_acc<N>(p.y + row.at + c);
    for (int j = 0; j < N; ++j) dy.v[j] -= exp(y.v[j]) * total;
    store_acc<N>(p.dx + row.at + c, dy);
  });
}

// p.max, p.log_sum and p.row_loss; the logits are counted from the row's maximum.
template <int N, class T>
__global__ void cross_entropy_rows_kernel(CrossEntropyForward<T> p) {
  auto& memory = shared<RowMemory<float>>();
  Row row(p.rows, p.cols);
  RowSum s = sum_of_row<N>(p.logits, row, memory);
  float total = 0;
  for_packs<N>(row, [&](int c) {
    auto v = load_acc<N>(p.logits + row.at + c);
    for (int j = 0; j < N; ++j) total += v.v[j] - s.max;
  });
  float mean = row_sum(total, memory) / float(p.cols);
  if (threadIdx.x > 0 || row.cols == 0) return;
  int label = p.labels[row.index];
  float loss = label < p.cols ? 0.0f : NAN;  // nobody on the host has looked at the labels
  if (label >= 0 && label < p.cols) {
    // In double, rounded once: differences that may be far above the loss.
    double at_label = double(p.logits[row.at + label]) - double(s.max), share = p.smoothing;
    loss = float(double(s.log_sum) - (1 - share) * at_label - share * double(mean));
  }
  p.max[row.index] = s.max, p.log_sum[row.index] = s.log_sum;
  p.row_loss[row.index] = loss;
}

__device__ __forceinline__ int counted_rows(const int32_t* labels, int64_t rows) {
  int count = 0;
  for (int64_t r = threadIdx.x; r < rows; r += blockDim.x) count += labels[r] >= 0;
  return row_sum(count, shared<RowMemory<int>>());
}

// loss = sum of the rows' losses / counted rows. One block.
__global__ void mean_loss_kernel(float* loss, const float* row_loss, const int32_t* labels,
                                 int64_t rows) {
  double total = 0;
  for (int64_t r = threadIdx.x; r < rows; r += blockDim.x) total += double(row_loss[r]);
  int count = counted_rows(labels, rows);
  total = row_sum(total, shared<RowMemory<double>>());
  if (threadIdx.x == 0) *loss = float(total / double(count));
}

// scale = dloss / counted rows. One block.
__global__ void gradient_scale_kernel(float* scale, const float* dloss, const int32_t* labels,
                                      int64_t rows) {
  int count = counted_rows(labels, rows);
  if (threadIdx.x == 0) *scale = *dloss / float(count);
}

template <int N, class T>
__global__ void cross_entropy_backward_kernel(CrossEntropyBackward<T> p, const float* scale) {
  Row row(p.rows, p.cols);
  if (row.cols == 0) return;
  int label = p.labels[row.index];
  if (label < 0) {  // apart, since a choice for each element takes its load apart as well
    for_packs<N>(row, [&](int c) { store_acc<N>(p.dlogits + row.at + c, repeated<N>(0.0f)); });
    return;
  }
  float most = p.max[row.index], log_sum = p.log_sum[row.index];
  float s = *scale, spread = p.smoothing / float(p.cols);
  for_packs<N>(row, [&](int c) {
    auto v = load_acc<N>(p.logits + row.at + c);
    for (int j = 0; j < N; ++j) {
      float target = c + j == label ? spread + (1 - p.smoothing) : spread;
      v.v[j] = s * (exp((v.v[j] - most) - log_sum) - target);
    }
    store_acc<N>(p.dlogits + row.at + c, v);
  });
}

template <class T, class F>
void for_rows(int64_t rows, int cols, bool are_aligned, F f) {
  if (rows == 0) return;
  choose_pack<kPack<T>>(are_aligned && cols % kPack<T> == 0, [&](auto pack) {
    dim3 block = row_block(cols, pack());
    f(pack, unsigned(div_up(rows, block.y)), block);
  });
}

template <class P, class T>
void launch_softmax(Cuda queue, const P& p, const T* a, const T* b, const T* c) {
  for_rows<T>(p.rows, p.cols, aligned(a, b, c), [&](auto pack, dim3 grid, dim3 block) {
    void (*kernel)(P) = softmax_kernel<pack(), T>;
    launch(queue, grid, block, sizeof(RowMemory<float>), kernel, p);
  });
}

}  // namespace

template <class T>
void run(Cuda queue, SoftmaxForward<T> p) {
  launch_softmax<SoftmaxForward<T>, T>(queue, p, p.y, p.x, nullptr);
}
template <class T>
void run(Cuda queue, SoftmaxBackward<T> p) {
  launch_softmax<SoftmaxBackward<T>, T>(queue, p, p.dx, p.dy, p.y);
}
template <class T>
void run(Cuda queue, LogSoftmaxForward<T> p) {
  launch_softmax<LogSoftmaxForward<T>, T>(queue, p, p.y, p.x, nullptr);
}
template <class T>
void run(Cuda queue, LogSoftmaxBackward<T> p) {
  launch_softmax<LogSoftmaxBackward<T>, T>(queue, p, p.dx, p.dy, p.y);
}

template <class T>
void run(Cuda queue, CrossEntropyForward<T> p) {
  DeviceScratch<float> row_loss(queue, p.row_loss ? 0 : p.rows);
  if (!p.row_loss) p.row_loss = row_loss.data();
  for_rows<T>(p.rows, p.cols, aligned(p.logits), [&](auto pack, dim3 grid, dim3 block) {
    launch(queue, grid, block, sizeof(RowMemory<float>), cross_entropy_rows_kernel<pack(), T>, p);
  });
  launch(queue, 1, kThreads, sizeof(RowMemory<double>), mean_loss_kernel, p.loss,
         static_cast<const float*>(p.row_loss), p.labels, p.rows);
}

template <class T>
void run(Cuda queue, CrossEntropyBackward<T> p) {
  if (p.rows == 0) return;
  DeviceScratch<float> scale(queue, 1);
  launch(queue, 1, kThreads, sizeof(RowMemory<int>), gradient_scale_kernel, scale.data(), p.dloss,
         p.labels, p.rows);
  for_rows<T>(p.rows, p.cols, aligned(p.dlogits, p.logits), [&](auto pack, dim3 grid, dim3 block) {
    launch(queue, grid, block, 0, cross_entropy_backward_kernel<pack(), T>, p,
           static_cast<const float*>(scale.data()));
  });
}

#define INSTANCES(T)                               \
  template void run(Cuda, SoftmaxForward<T>);      \
  template void run(Cuda, SoftmaxBackward<T>);     \
  template void run(Cuda, LogSoftmaxForward<T>);   \
  template void run(Cuda, LogSoftmaxBackward<T>);  \
  template void run(Cuda, CrossEntropyForward<T>); \
  template void run(Cuda, CrossEntropyBackward<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
