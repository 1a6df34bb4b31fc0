// Softmax, log softmax and cross entropy: a row is read for its maximum, again for its sum, and a
// third time for its outputs, from cache. Packet bodies first, then plain ones, then the choice.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax.cpp"
#include <hwy/foreach_target.h>
#include "kernels/packet-inl.h"
#include <limits>
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/softmax.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// Rows of a chunk: about 2^14 elements.
HWY_INLINE int64_t rows_grain(int cols) { return cols < (1 << 14) ? (1 << 14) / cols : 1; }

template <class F>
void for_rows(int64_t rows, int cols, F f) {
  parallel_for(rows, rows_grain(cols), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t r = begin; r < end; ++r) f(r);
  });
}

// A packet whose lanes beyond n hold `fill`, so that they count for nothing in a maximum or a sum
// of exponentials.
template <class T>
HWY_INLINE Packet packet_or(const T* p, int n, float fill) {
  if (n == kLanes) return Packet(load(p));
  return Packet(hn::IfThenElse(hn::FirstN(F32(), size_t(n)), load_n(p, n), hn::Set(F32(), fill)));
}

constexpr float kLowest = -std::numeric_limits<float>::infinity();

template <class T>
HWY_INLINE float row_max(const T* x, int cols) {
  Packet m(double{kLowest});
  for_packets(0, cols,
              [&](int64_t c, int lanes) HWY_ATTR { m = max(packet_or(x + c, lanes, kLowest), m); });
  return max(m.v);
}

// sum exp(x - max), apart from max: their sum, log sum exp, would be rounded to max's magnitude.
struct RowSum {
  float max, log_sum;
};

template <class T>
HWY_INLINE RowSum row_sum(const T* x, int cols) {
  float m = row_max(x, cols);
  Packet total(0.0), shift(double{m});
  for_packets(0, cols, [&](int64_t c, int lanes) HWY_ATTR {
    // exp is clamped far below: a lane that does not exist must add exactly nothing.
    total = total + first(exp(packet_or(x + c, lanes, m) - shift), lanes);
  });
  return {m, autodidact::log(sum(total))};
}

template <class T>
void body(SoftmaxForward<T> p) {
  for_rows(p.rows, p.cols, [=](int64_t r) HWY_ATTR {
    const T* x = p.x + r * p.cols;
    T* y = p.y + r * p.cols;
    RowSum s = row_sum(x, p.cols);
    Packet m(double{s.max}), log_sum(double{s.log_sum});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      store(exp((packet(x + c, lanes) - m) - log_sum), y + c, lanes);
    });
  });
}

template <class T>
void body(SoftmaxBackward<T> p) {
  for_rows(p.rows, p.cols, [=](int64_t r) HWY_ATTR {
    int64_t at = r * p.cols;
    Packet dot(0.0);
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      dot = fma(packet(p.dy + at + c, lanes), packet(p.y + at + c, lanes), dot);
    });
    Packet d(double{sum(dot)});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      store(packet(p.y + at + c, lanes) * (packet(p.dy + at + c, lanes) - d), p.dx + at + c, lanes);
    });
  });
}

template <class T>
void body(LogSoftmaxForward<T> p) {
  for_rows(p.rows, p.cols, [=](int64_t r) HWY_ATTR {
    int64_t at = r * p.cols;
    RowSum s = row_sum(p.x + at, p.cols);
    Packet m(double{s.max}), log_sum(double{s.log_sum});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      store((packet(p.x + at + c, lanes) - m) - log_sum, p.y + at + c, lanes);
    });
  });
}

template <class T>
void body(LogSoftmaxBackward<T> p) {
  for_rows(p.rows, p.cols, [=](int64_t r) HWY_ATTR {
    int64_t at = r * p.cols;
    Packet total(0.0);
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      total = total + packet(p.dy + at + c, lanes);
    });
    Packet t(double{sum(total)});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      store(packet(p.dy + at + c, lanes) - exp(packet(p.y + at + c, lanes)) * t, p.dx + at + c,
            lanes);
    });
  });
}

// What the two cross entropies need of a row, beside what is done once (plain, below). Both count
// the logits from the row's maximum.
template <class T>
void row_values(CrossEntropyForward<T> p, float* mean_logit) {
  for_rows(p.rows, p.cols, [=](int64_t r) HWY_ATTR {
    const T* x = p.logits + r * p.cols;
    RowSum s = row_sum(x, p.cols);
    p.max[r] = s.max, p.log_sum[r] = s.log_sum;
    Packet total(0.0), m(double{s.max});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      total = total + first(packet(x + c, lanes) - m, lanes);
    });
    mean_logit[r] = sum(total) / float(p.cols);
  });
}

template <class T>
void row_gradients(CrossEntropyBackward<T> p, float scale) {
  for_rows(p.rows, p.cols, [=](int64_t r) HWY_ATTR {
    const T* x = p.logits + r * p.cols;
    T* dx = p.dlogits + r * p.cols;
    if (p.labels[r] < 0) {  // zero, whatever the logits are
      for_packets(0, p.cols,
                  [&](int64_t c, int lanes) HWY_ATTR { store(Packet(0.0), dx + c, lanes); });
      return;
    }
    Packet m(double{p.max[r]}), log_sum(double{p.log_sum[r]});
    Packet s(double{scale}), spread(double{p.smoothing / float(p.cols)});
    for_packets(0, p.cols, [&](int64_t c, int lanes) HWY_ATTR {
      store(s * (exp((packet(x + c, lanes) - m) - log_sum) - spread), dx + c, lanes);
    });
    // The label's own part, from the unrounded value.
    float at_label = autodidact::exp((float(x[p.labels[r]]) - p.max[r]) - p.log_sum[r]) -
                     p.smoothing / float(p.cols) - (1 - p.smoothing);
    dx[p.labels[r]] = T(scale * at_label);
  });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class F>
void for_rows(int64_t rows, int cols, F f) {
  parallel_for(rows, cols < (1 << 14) ? (1 << 14) / cols : 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) f(r);
  });
}

template <class A>
struct RowSum {  // as above
  A max, log_sum;
};

template <class T>
RowSum<Acc<T>> row_sum(const T* x, int cols) {
  using A = Acc<T>;
  A m = A(x[0]), total = 0;
  for (int c = 1; c < cols; ++c) m = max(A(x[c]), m);
  for (int c = 0; c < cols; ++c) total += exp(A(x[c]) - m);
  return {m, log(total)};
}

template <class T>
void body(SoftmaxForward<T> p) {
  for_rows(p.rows, p.cols, [=](int64_t r) {
    const T* x = p.x + r * p.cols;
    auto s = row_sum(x, p.cols);
    for (int c = 0; c < p.cols; ++c)
      p.y[r * p.cols + c] = T(exp((Acc<T>(x[c]) - s.max) - s.log_sum));
  });
}

template <class T>
void body(SoftmaxBackward<T> p) {
  using A = Acc<T>;
  for_rows(p.rows, p.cols, [=](int64_t r) {
    int64_t at = r * p.cols;
    A dot = 0;
    for (int c = 0; c < p.cols; ++c) dot += A(p.dy[at + c]) * A(p.y[at + c]);
    for (int c = 0; c < p.cols; ++c) p.dx[at + c] = T(A(p.y[at + c]) * (A(p.dy[at + c]) - dot));
  });
}

template <class T>
void body(LogSoftmaxForward<T> p) {
  for_rows(p.rows, p.cols, [=](int64_t r) {
    int64_t at = r * p.cols;
    auto s = row_sum(p.x + at, p.cols);
    for (int c = 0; c < p.cols; ++c) p.y[at + c] = T((Acc<T>(p.x[at + c]) - s.max) - s.log_sum);
  });
}

template <class T>
void body(LogSoftmaxBackward<T> p) {
  using A = Acc<T>;
  for_rows(p.rows, p.cols, [=](int64_t r) {
    int64_t at = r * p.cols;
    A total = 0;
    for (int c = 0; c < p.cols; ++c) total += A(p.dy[at + c]);
    for (int c = 0; c < p.cols; ++c)
      p.dx[at + c] = T(A(p.dy[at + c]) - exp(A(p.y[at + c])) * total);
  });
}

template <class T>
void row_values(CrossEntropyForward<T> p, Acc<T>* mean_logit) {
  using A = Acc<T>;
  for_rows(p.rows, p.cols, [=](int64_t r) {
    const T* x = p.logits + r * p.cols;
    auto s = row_sum(x, p.cols);
    p.max[r] = s.max, p.log_sum[r] = s.log_sum;
    A total = 0;
    for (int c = 0; c < p.cols; ++c) total += A(x[c]) - s.max;
    mean_logit[r] = total / A(p.cols);
  });
}

template <class T>
void row_gradients(CrossEntropyBackward<T> p, Acc<T> scale) {
  using A = Acc<T>;
  for_rows(p.rows, p.cols, [=](int64_t r) {
    for (int c = 0; c < p.cols; ++c) {
      A target = A(p.smoothing) / A(p.cols) + (c == p.labels[r] ? 1 - A(p.smoothing) : A(0));
      A d = exp((A(p.logits[r * p.cols + c]) - p.max[r]) - p.log_sum[r]) - target;
      p.dlogits[r * p.cols + c] = T(p.labels[r] >= 0 ? scale * d : A(0));
    }
  });
}

}  // namespace plain

template <class T, class P>
void choose(P p) {
  if constexpr (std::is_same_v<T, double>) plain::body(p);
  else for_cpu_class<void(P)>(plain::body, N_AVX2::body, N_AVX3::body)(p);
}

template <class T>
void run(Cpu, SoftmaxForward<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, SoftmaxBackward<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, LogSoftmaxForward<T> p) {
  choose<T>(p);
}
template <class T>
void run(Cpu, LogSoftmaxBackward<T> p) {
  choose<T>(p);
}

static int64_t counted(const int32_t* labels, int64_t rows) {
  int64_t n = 0;
  for (int64_t r = 0; r < rows; ++r) n += labels[r] >= 0;
  return n;
}

// The rows' values come from the class's body; they are added here, in order, in double.
template <class T>
void run(Cpu, CrossEntropyForward<T> p) {
  using A = Acc<T>;
  Scratch<A> mean_logit(p.rows);
  if constexpr (std::is_same_v<T, double>) plain::row_values(p, mean_logit.data());
  else
    for_cpu_class<void(CrossEntropyForward<T>, float*)>(plain::row_values, N_AVX2::row_values,
                                                        N_AVX3::row_values)(p, mean_logit.data());
  double total = 0;
  for (int64_t r = 0; r < p.rows; ++r) {
    A loss = 0;
    if (p.labels[r] >= 0) {
      A at_label = A(p.logits[r * p.cols + p.labels[r]]) - p.max[r], s = A(p.smoothing);
      loss = (1 - s) * (p.log_sum[r] - at_label) + s * (p.log_sum[r] - mean_logit[r]);
    }
    if (p.row_loss) p.row_loss[r] = loss;
    total += double(loss);
  }
  *p.loss = A(total / double(counted(p.labels, p.rows)));
}

template <class T>
void run(Cpu, CrossEntropyBackward<T> p) {
  Acc<T> scale = *p.dloss / Acc<T>(counted(p.labels, p.rows));
  if constexpr (std::is_same_v<T, double>) plain::row_gradients(p, scale);
  else
    for_cpu_class<void(CrossEntropyBackward<T>, float)>(plain::row_gradients, N_AVX2::row_gradients,
                                                        N_AVX3::row_gradients)(p, scale);
}

#define INSTANCES(T)                              \
  template void run(Cpu, SoftmaxForward<T>);      \
  template void run(Cpu, SoftmaxBackward<T>);     \
  template void run(Cpu, LogSoftmaxForward<T>);   \
  template void run(Cpu, LogSoftmaxBackward<T>);  \
  template void run(Cpu, CrossEntropyForward<T>); \
  template void run(Cpu, CrossEntropyBackward<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
#endif
