// Optimizer steps over a model's flat buffer: weights, gradients, optimizer state and averaged
// (EMA) weights lie at the same offsets. A table of segments, one per parameter, carries what
// differs between parameters. One pass reads the gradient and writes everything, the bf16 copy of
// the weights included; LARS takes one pass before it for the norms. What changes from step to step
// lies in the queue's memory, so that a captured step can be replayed, and so do the segments. On
// CUDA LarsTrust needs a workspace (device_scratch.h): 256 bytes a segment.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// One parameter: elements [begin, end) of the flat buffers. Segments are in order and do not
// overlap; what lies outside of all of them is not touched.
struct Segment {
  int64_t begin, end;
  float lr_scale;  // multiplies the learning rate
  float weight_decay;
  bool adapt;  // LARS scales its gradient; false for biases and norm parameters
};

struct StepValues {
  float lr;
  float gradient_scale;  // multiplies the gradient: 1, or what clipping asks for
  float ema_momentum;    // ema = m ema + (1 - m) w
  float bias1, bias2;    // AdamW: 1 - beta1^t and 1 - beta2^t, t = 1 in the first step
};

// PyTorch's SGD: g += decay w; v = momentum v + g; w -= lr (nesterov ? g + momentum v : v).
// v starts at zero, which makes the first step's v the gradient.
template <class T>  // float or double
struct SgdUpdate {
  T* w;               // [n]
  T* velocity;        // [n]; null where momentum is 0
  T* ema;             // [n], or null
  bf16* copy;         // [n], or null: the new w rounded
  const T* gradient;  // [n]
  const T* trust;     // [segment_count], or null: LARS multiplies g + decay w by it
  const Segment* segments;
  const StepValues* step;  // [1]
  int segment_count;
  float momentum;
  bool nesterov;
};

// LARS (You et al. 2017, arXiv 1708.03888): trust = coefficient |w| / (|g| + decay |w| + eps) for a
// segment that adapts and whose norms are both above zero, otherwise 1.
template <class T>
struct LarsTrust {
  T* trust;  // [segment_count]
  const T *w, *gradient;
  const Segment* segments;
  const StepValues* step;
  int segment_count;
  float coefficient, eps;
};

// AdamW (Loshchilov & Hutter 2019), as PyTorch: w -= lr decay w; m = b1 m + (1 - b1) g;
// v = b2 v + (1 - b2) g^2; w -= lr / bias1 m / (sqrt(v) / sqrt(bias2) + eps). m and v start at
// zero.
template <class T>
struct AdamwUpdate {
  T *w, *m, *v;  // [n]
  T* ema;        // [n], or null
  bf16* copy;    // [n], or null
  const T* gradient;
  const Segment* segments;
  const StepValues* step;
  int segment_count;
  float beta1, beta2, eps;
};

// ema = m ema + (1 - m) w alone, for an average that is not taken in the optimizer's pass.
template <class T>
struct EmaUpdate {
  T* ema;  // [n]
  const T* w;
  const StepValues* step;
  int64_t n;
};

template <class T>
void run(Cpu, SgdUpdate<T>);
template <class T>
void run(Cpu, LarsTrust<T>);
template <class T>
void run(Cpu, AdamwUpdate<T>);
template <class T>
void run(Cpu, EmaUpdate<T>);
template <class T>
void run(Cuda, SgdUpdate<T>);
template <class T>
void run(Cuda, LarsTrust<T>);
template <class T>
void run(Cuda, AdamwUpdate<T>);
template <class T>
void run(Cuda, EmaUpdate<T>);

}  // namespace autodidact
