// Multi-head attention among the tokens of each sample (Vaswani et al. 2017, section 3.2):
// o = softmax(q k^T / sqrt(dim)) v for every sample and head, any number of tokens. q, k and v lie
// packed as a linear layer writes them (timm's qkv). No tokens x tokens matrix is kept: backward
// computes the probabilities again from lse. On CUDA a head has at most 256 channels, and backward
// needs a workspace (device_scratch.h): 4 bytes a token and head.
#pragma once
#include "kernels/types.h"

namespace autodidact {

template <class T>
struct AttentionForward {
  T* o;          // [batch, tokens, heads, dim]
  Acc<T>* lse;   // [batch, heads, tokens]: log sum exp over a query's logits; or null
  const T* qkv;  // [batch, tokens, 3, heads, dim]
  int batch, tokens, heads, dim;
};

// With p = exp(logit - lse) and D = dout . o:  dlogit = p (dout . v - D).
template <class T>
struct AttentionBackward {
  T* dqkv;            // [batch, tokens, 3, heads, dim]
  const T *dout, *o;  // [batch, tokens, heads, dim]
  const T* qkv;       // [batch, tokens, 3, heads, dim]
  const Acc<T>* lse;  // [batch, heads, tokens]
  int batch, tokens, heads, dim;
};

template <class T>
void run(Cpu, AttentionForward<T>);
template <class T>
void run(Cpu, AttentionBackward<T>);
template <class T>
void run(Cuda, AttentionForward<T>);
template <class T>
void run(Cuda, AttentionBackward<T>);

}  // namespace autodidact
