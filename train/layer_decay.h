// Layer-wise learning-rate decay (Clark et al. 2020, section 3.4; Bao et al. 2022 and the masked
// autoencoder's fine-tuning): what lies far before the head is general and changes little.
#pragma once
#include <vector>
#include "models/encoder.h"

namespace autodidact {

// For Optimizer: decay^(blocks behind it, the head counted as one) for the parameters of each block
// of the encoder; 1 for all others, and for the norm behind the last block.
std::vector<float> layer_scales(Encoder& encoder, const Parameters& parameters, double decay);

}  // namespace autodidact
