#include "train/layer_decay.h"
#include <cmath>
#include <map>

namespace autodidact {

std::vector<float> layer_scales(Encoder& encoder, const Parameters& parameters, double decay) {
  const std::vector<std::string> blocks = encoder.block_names();
  const int count = int(blocks.size());
  std::map<const Tensor*, float> scale_of;
  for (int i = 0; i < count; ++i) {
    detail::Collect block;
    encoder.visit_block(i, block);
    for (const NamedTensor& t : block.found) {
      const bool behind = i + 1 == count && i > 0 && t.name.rfind(blocks.back(), 0) != 0;
      scale_of[t.tensor] = float(std::pow(decay, behind ? 0 : count - i));
    }
  }
  std::vector<float> scales;
  for (const Parameters::Segment& s : parameters.segments()) {
    auto found = scale_of.find(s.tensor);
    scales.push_back(found == scale_of.end() ? 1 : found->second);
  }
  return scales;
}

}  // namespace autodidact
