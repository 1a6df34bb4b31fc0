// InfoNCE over a queue (van den Oord et al. 2018; MoCo, He et al. 2020), fused: loss and dq in one
// pass over the queue, no logits in memory.
//   l+ = q.k / t, l_j = q.queue_j / t;  loss = mean over rows of lse - l+,
//   lse = log(exp(l+) + sum_j exp(l_j));  dq = (sum_j p_j queue_j + (p+ - 1) k) / (t batch), p =
//   exp(l - lse).
// Keys and queue get no gradient. The queue is split into runs of blocks of keys, by the sizes
// alone; each run keeps its own sums, and the runs are added in order: the same bytes for any
// thread count. bf16 is storage: it is widened on load. Also here: the queue's own step.
#pragma once
#include "kernels/types.h"

namespace autodidact {

// An output that is null is not wanted; without dq only half of the work is done.
template <class T>
struct InfoNce {
  Acc<T>* loss;      // [1], the mean
  Acc<T>* row_loss;  // [batch]
  Acc<T>* lse;       // [batch]
  int32_t* rank;     // [batch], how many of the queue have a logit above l+: 0 is a hit
  Acc<T>* dq;        // [batch, dim], of the mean
  const T* q;        // [batch, dim]
  const T* k;        // [batch, dim], each row's positive
  const T* queue;    // [keys, dim]
  int batch, keys, dim;
  float temperature;
  bool unit;                // the caller's word that all rows have length 1: then |l| <= 1 / t
  bool k_in_queue = false;  // the queue is a bank that holds k too: it counts once, lse = log sum_j
};

// With unit vectors at 2 / t < 80 sums of exp(l) need no maximum: exp(+-40) and 2^31 times it are
// far inside of a float's range (a shift by 1 / t would only add a rounding). Otherwise the largest
// logit so far is taken off, and the sums follow it. Where sums show that `unit` was not so, the
// loss is NaN.
HD bool needs_no_maximum(float temperature, bool unit) { return unit && 2 / temperature < 80; }

// The newest rows over the oldest: queue[(next + i) % keys] = rows[i], next = (next + batch) %
// keys. Of more rows than keys the last ones stay.
template <class T>
struct Enqueue {
  T* queue;       // [keys, dim]
  int32_t* next;  // [1], where the oldest row lies; in the queue's memory, so that a captured step
                  // may be replayed
  const T* rows;  // [batch, dim]
  int keys, batch, dim;
};

template <class T>
void run(Cpu, InfoNce<T>);
template <class T>
void run(Cpu, Enqueue<T>);
// Needs a workspace (device_scratch.h): for dq batch x dim floats and at most 12 MiB more, and 16
// bytes a row and run of the queue.
template <class T>
void run(Cuda, InfoNce<T>);
template <class T>
void run(Cuda, Enqueue<T>);

}  // namespace autodidact
