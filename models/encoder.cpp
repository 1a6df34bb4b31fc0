#include "models/encoder.h"
#include <algorithm>
#include "models/nin.h"
#include "models/resnet.h"
#include "models/resnet26.h"
#include "models/resnet9.h"
#include "models/vit.h"

namespace autodidact {

Tensor Encoder::pool(const Tensor& last) const { return global_avg_pool(last); }

std::vector<Tensor> Encoder::blocks(const Tensor& images) const {
  std::vector<Tensor> outputs;
  for (int i = 0; i < block_count(); ++i) outputs.push_back(block(i, i ? outputs.back() : images));
  return outputs;
}

Tensor Encoder::features(const Tensor& images) const {
  Tensor x = images;
  for (int i = 0; i < block_count(); ++i) x = block(i, x);
  return pool(x);
}

Device Encoder::device() {
  detail::Collect first;
  visit_block(0, first);
  return first.found.front().tensor->device();
}

namespace {

using Make = std::unique_ptr<Encoder> (*)(const EncoderOptions& o, Rng& rng);

// A setting that a network does not have must not be taken for one that it has.
void refuse_stem(const EncoderOptions& o) {
  if (o.imagenet_stem)
    fail(ErrorKind::usage, "encoder: imagenet_stem is for ResNet-18, -34 and -50, ", o.name,
         " has one stem");
}
// Of the GroupNorm that is asked for; 0: BatchNorm.
int groups_of(const EncoderOptions& o, bool group_norm_is_own) {
  const bool group = o.norm == "own" ? group_norm_is_own : o.norm == "group";
  if (!group && o.groups != 0 && o.groups != EncoderOptions().groups)
    fail(ErrorKind::usage, "encoder: groups is for GroupNorm, ", o.name, " has BatchNorm");
  if (o.norm == "group" && o.groups == 0)
    fail(ErrorKind::usage, "encoder: norm group needs groups above 0");
  return group ? o.groups : 0;
}

// GroupNorm needs its groups to divide the channels of every stage: multiples of the first's.
void refuse_width(const EncoderOptions& o, int channels, int groups) {
  if (groups && channels % groups != 0)
    fail(ErrorKind::usage, "encoder: groups must divide the ", channels, " channels of ", o.name,
         "'s first stage (width), got ", groups);
}

void refuse_tokens(const EncoderOptions& o) {
  const EncoderOptions none;
  if (o.patch != none.patch || o.depth || o.heads || o.pool != none.pool ||
      o.positions != none.positions)
    fail(ErrorKind::usage, "encoder: patch_size, depth, heads, pool and positions are for Vision ",
         "Transformers, got them for ", o.name);
}

template <class Block, int... kDepths>
std::unique_ptr<Encoder> resnet(const EncoderOptions& o, Rng& rng) {
  refuse_tokens(o);
  const int width = o.width ? o.width : 64, groups = groups_of(o, false);
  refuse_width(o, width, groups);
  return std::make_unique<ResNet<Block>>(std::array{kDepths...}, width, o.imagenet_stem, groups,
                                         rng);
}
std::unique_ptr<Encoder> resnet26(const EncoderOptions& o, Rng& rng) {
  refuse_stem(o), refuse_tokens(o);
  const int width = o.width ? o.width : 16, groups = groups_of(o, true);
  refuse_width(o, std::min(width, 16), groups), refuse_width(o, width, groups);
  return std::make_unique<ResNet26>(width, groups, rng);
}
void refuse_groups(const EncoderOptions& o) {
  if (groups_of(o, false))
    fail(ErrorKind::usage, "encoder: ", o.name, " has BatchNorm alone, as the released code");
}
std::unique_ptr<Encoder> resnet9(const EncoderOptions& o, Rng& rng) {
  refuse_stem(o), refuse_tokens(o), refuse_groups(o);
  return std::make_unique<ResNet9>(o.width ? o.width : 64, rng);
}
template <int kBlocks>
std::unique_ptr<Encoder> nin(const EncoderOptions& o, Rng& rng) {
  refuse_stem(o), refuse_tokens(o), refuse_groups(o);
  return std::make_unique<Nin>(kBlocks, o.width ? o.width : 192, rng);
}
// Touvron et al. 2021 (tiny, small), Dosovitskiy et al. 2021, table 1 (the others).
template <int kWidth, int kDepth, int kHeads>
std::unique_ptr<Encoder> vit(const EncoderOptions& o, Rng& rng) {
  refuse_stem(o);
  if (o.norm != "own" || (o.groups != 0 && o.groups != EncoderOptions().groups))
    fail(ErrorKind::usage, "encoder: ", o.name, " has LayerNorm alone: no norm, no groups");
  const VitSizes s{o.width ? o.width : kWidth,
                   o.depth ? o.depth : kDepth,
                   o.heads ? o.heads : kHeads,
                   o.patch,
                   o.side,
                   o.pool == "mean",
                   o.positions == "learned"};
  if (s.width % s.heads != 0 || s.width % 4 != 0)
    fail(ErrorKind::usage, "encoder: width must be a multiple of 4 and of the heads, got ", s.width,
         " and ", s.heads, " heads");
  if (s.side % s.patch != 0)
    fail(ErrorKind::usage, "encoder: patch_size must divide the pictures' side of ", s.side,
         ", got ", s.patch);
  return std::make_unique<VisionTransformer>(s, rng);
}

const std::vector<std::pair<std::string, Make>> kEncoders = {
    {"resnet18", resnet<BasicBlock, 2, 2, 2, 2>},
    {"resnet34", resnet<BasicBlock, 3, 4, 6, 3>},
    {"resnet50", resnet<Bottleneck, 3, 4, 6, 3>},
    {"resnet26", resnet26},
    {"resnet9", resnet9},
    {"nin3", nin<3>},
    {"nin4", nin<4>},
    {"nin5", nin<5>},
    {"vit_tiny", vit<192, 12, 3>},
    {"vit_small", vit<384, 12, 6>},
    {"vit_base", vit<768, 12, 12>},
    {"vit_large", vit<1024, 24, 16>},
    {"vit_huge", vit<1280, 32, 16>},
};

}  // namespace

std::vector<std::string> encoder_names() {
  std::vector<std::string> names;
  for (auto& [name, make] : kEncoders) names.push_back(name);
  return names;
}

std::unique_ptr<Encoder> make_encoder(const EncoderOptions& options, Rng& rng) {
  std::string known;
  for (auto& [name, make] : kEncoders) {
    if (name == options.name) return make(options, rng);
    known += (known.empty() ? "" : ", ") + name;
  }
  fail(ErrorKind::usage, "encoder: one of ", known, " is known, got ", options.name);
}

}  // namespace autodidact
