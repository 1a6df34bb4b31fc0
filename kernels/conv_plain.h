// The plain bodies of the convolution passes: the definition written out. The oracle of the SIMD
// bodies, the double precision of gradient checks, and the body for CPUs without AVX2.
#pragma once
#include "kernels/conv.h"

namespace autodidact {

template <class T>
void conv_forward_plain(const ConvForward<T>&);
template <class T>
void conv_backward_data_plain(const ConvBackwardData<T>&);
// Does not touch dbias.
template <class T>
void conv_backward_weights_plain(const ConvBackwardWeights<T>&);

}  // namespace autodidact
