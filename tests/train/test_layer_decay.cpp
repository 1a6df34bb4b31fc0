#include "train/layer_decay.h"
#include <doctest/doctest.h>
#include <map>

using namespace autodidact;

namespace {

std::map<std::string, float> scales_of(const EncoderOptions& options, double decay) {
  Rng rng(1);
  Classifier model(options, 10, rng);
  Parameters parameters(model);
  std::vector<float> scales = layer_scales(*model.encoder, parameters, decay);
  REQUIRE(scales.size() == parameters.segments().size());
  std::map<std::string, float> by_name;
  for (size_t i = 0; i < scales.size(); ++i) by_name[parameters.segments()[i].name] = scales[i];
  return by_name;
}

}  // namespace

TEST_CASE("layer decay: the released code's powers") {  // lr_decay.py: embedding 0, head depth + 1
  EncoderOptions options;
  options.name = "vit_tiny", options.patch = 8, options.width = 16, options.depth = 2;
  options.heads = 2, options.pool = "mean";
  auto scale = scales_of(options, 0.5);
  CHECK(scale.at("cls_token") == 0.125f);
  CHECK(scale.at("patch_embed.proj.weight") == 0.125f);
  CHECK(scale.at("blocks.0.attn.qkv.bias") == 0.25f);
  CHECK(scale.at("blocks.1.norm1.weight") == 0.5f);
  CHECK(scale.at("fc_norm.weight") == 1);
  CHECK(scale.at("head.weight") == 1);
  for (auto& [name, s] : scales_of(options, 1)) CHECK(s == 1);
}

TEST_CASE("layer decay: the stages of a ResNet") {
  EncoderOptions options;
  options.width = 4;
  auto scale = scales_of(options, 0.5);
  CHECK(scale.at("conv1.weight") == 0.03125f);
  CHECK(scale.at("bn1.weight") == 0.03125f);
  CHECK(scale.at("layer4.1.conv2.weight") == 0.5f);
  CHECK(scale.at("fc.weight") == 1);
}
