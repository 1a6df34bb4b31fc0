// The tokens of a Vision Transformer (Dosovitskiy et al. 2021) and of a masked autoencoder (He et
// al. 2022), each arranged in one pass: class token and positions beside the visible patches, and
// mask tokens and positions where patches were hidden. `prefix` is 1 with a class token, else 0;
// visible and place as kernels/patches.h draws them. On CUDA the
// sums for the tokens need a workspace (device_scratch.h): 2 KiB a channel.
#pragma once
#include "kernels/types.h"

namespace autodidact {

struct TokenSizes {
  int samples, patches, kept, channels, prefix;
};

// y[n, 0] = class_token + pos[0];  y[n, prefix + i] = x[n, i] + pos[prefix + visible[n, i]].
template <class T>
struct EmbedTokens {
  T* y;                    // [samples, prefix + kept, channels]
  const T* x;              // [samples, kept, channels]
  const T* class_token;    // [channels], where prefix is 1
  const Acc<T>* pos;       // [prefix + patches, channels]
  const int32_t* visible;  // [samples, kept]; null: all, in their order
  TokenSizes sizes;
};
template <class T>
struct EmbedTokensBackward {
  T* dx;  // [samples, kept, channels]
  Acc<T>*dclass_token, *dpos;
  const T* dy;           // [samples, prefix + kept, channels]
  const int32_t* place;  // [samples, patches], or null
  TokenSizes sizes;
};

// y[n, 0] = x[n, 0] + pos[0];  for patch p: y[n, prefix + p] = pos[prefix + p] +
// x[n, prefix + place[n, p]], or the mask token where p is hidden.
template <class T>
struct Unshuffle {
  T* y;                  // [samples, prefix + patches, channels]
  const T* x;            // [samples, prefix + kept, channels]
  const T* mask_token;   // [channels]
  const Acc<T>* pos;     // [prefix + patches, channels]
  const int32_t* place;  // [samples, patches]
  TokenSizes sizes;
};
template <class T>
struct UnshuffleBackward {
  T* dx;  // [samples, prefix + kept, channels]
  Acc<T>*dmask_token, *dpos;
  const T* dy;           // [samples, prefix + patches, channels]
  const int32_t* place;  // [samples, patches]
  TokenSizes sizes;
};

template <class T>
void run(Cpu, EmbedTokens<T>);
template <class T>
void run(Cpu, EmbedTokensBackward<T>);
template <class T>
void run(Cpu, Unshuffle<T>);
template <class T>
void run(Cpu, UnshuffleBackward<T>);
template <class T>
void run(Cuda, EmbedTokens<T>);
template <class T>
void run(Cuda, EmbedTokensBackward<T>);
template <class T>
void run(Cuda, Unshuffle<T>);
template <class T>
void run(Cuda, UnshuffleBackward<T>);

}  // namespace autodidact
