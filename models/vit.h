// The Vision Transformer (Dosovitskiy et al. 2021, figure 1) with timm's names and order: pre-norm
// blocks, exact GELU, LayerNorm eps 1e-6. Initial values are the masked autoencoder's (He et al.
// 2022, their code): Xavier's uniform for every product, the class token N(0, 0.02).
#pragma once
#include <cmath>
#include "models/encoder.h"

namespace autodidact {

// Glorot & Bengio 2010: uniform(+-sqrt(6 / (in + out))), bias 0.
inline Linear xavier_linear(int in, int out, Rng& rng) {
  Linear l(in, out, rng);
  const float bound = std::sqrt(6 / float(in + out));
  fill_uniform(l.weight, -bound, bound, rng);
  fill(l.bias, 0);
  return l;
}

// Fixed 2-D sine and cosine positions of a grid, a zero row before it where there is a class token:
// half of the channels for the column, half for the row; of each, sines then cosines of
// position / 10000^(i / (channels / 4)).   [1, prefix + rows cols, channels], channels % 4 == 0
Tensor sincos_positions(int rows, int cols, int channels, int prefix);

// Positions of a square grid for another one, by PyTorch's bicubic interpolation (its a = -0.75,
// edges not aligned); a class token's row stays.   pos: f32 [1, (1 +) n n, C]; tokens: (1 +) m m
Tensor interpolated_positions(const Tensor& pos, int tokens);

struct SelfAttention {  // figure 1, right: "Multi-Head Attention"
  Linear qkv, proj;
  int heads;
  SelfAttention(int width, int heads_, Rng& rng)
      : qkv(xavier_linear(width, 3 * width, rng)),
        proj(xavier_linear(width, width, rng)),
        heads(heads_) {}
  Tensor operator()(const Tensor& x) const { return proj(attention(qkv(x), heads)); }
  void visit(Visitor& v) { v("qkv", qkv), v("proj", proj); }
};

struct Mlp {
  Linear fc1, fc2;
  Mlp(int width, int hidden, Rng& rng)
      : fc1(xavier_linear(width, hidden, rng)), fc2(xavier_linear(hidden, width, rng)) {}
  Tensor operator()(const Tensor& x) const { return fc2(gelu(fc1(x))); }
  void visit(Visitor& v) { v("fc1", fc1), v("fc2", fc2); }
};

struct TransformerBlock {  // figure 1, right
  LayerNorm norm1;
  SelfAttention attn;
  LayerNorm norm2;
  Mlp mlp;
  TransformerBlock(int width, int heads, Rng& rng)
      : norm1(width), attn(width, heads, rng), norm2(width), mlp(width, 4 * width, rng) {}
  // paths: f32 [2, N], a factor for either branch of each sample (stochastic depth); empty: none.
  Tensor operator()(const Tensor& input, const Tensor& paths = {}) const {
    auto branch = [&](const Tensor& y, int which) {
      if (!paths) return y;
      return scale_rows(y, reshape(slice(paths, which, which + 1), {paths.shape[1]}));
    };
    Tensor x = input + branch(attn(norm1(input)), 0);
    return x + branch(mlp(norm2(x)), 1);
  }
  void visit(Visitor& v) { v("norm1", norm1), v("attn", attn), v("norm2", norm2), v("mlp", mlp); }
};

struct PatchEmbed {  // a convolution whose stride is its kernel, done on the visible patches alone
  Tensor weight, bias;  // [width, patch, patch, 3], [width]
  PatchEmbed(int width, int patch, Rng& rng)
      : weight(empty({width, patch, patch, 3})), bias(zeros({width})) {
    const float bound = std::sqrt(6 / float(width + patch * patch * 3));
    fill_uniform(weight, -bound, bound, rng);
  }
  int patch() const { return weight.shape[1]; }
  Tensor operator()(const Tensor& images, const PatchMask& mask) const {
    Tensor rows = gather_patches(images, patch(), mask);
    return linear(rows, reshape(weight, {weight.shape[0], rows.shape[2]}), bias);
  }
  void visit(Visitor& v) {
    v("proj.weight", weight, Role::conv_weight);
    v("proj.bias", bias, Role::scalar);
  }
};

struct VitSizes {
  int width, depth, heads, patch;
  int side;           // of the pictures
  bool mean = false;  // pool: the mean over the patches, not the class token
  bool learned_positions = false;
};

struct VisionTransformer : Encoder {
  Tensor cls_token, pos_embed;  // [1, 1, width], [1, 1 + patches, width]
  PatchEmbed patch_embed;
  std::vector<TransformerBlock> layers;
  LayerNorm norm;  // of every token; where the patches' mean is pooled, of that: timm's fc_norm
  int grid;        // patches a side
  bool mean, learned_positions;
  Tensor paths;  // f32 [2 depth, N], of the next batch's branches in training; empty: none dropped
  bool training = true;

  VisionTransformer(const VitSizes& s, Rng& rng)
      : cls_token(empty({1, 1, s.width})),
        patch_embed(s.width, s.patch, rng),
        norm(s.width),
        grid(s.side / s.patch),
        mean(s.mean),
        learned_positions(s.learned_positions) {
    fill_normal(cls_token, 0, 0.02f, rng);
    pos_embed = sincos_positions(grid, grid, s.width, 1);
    if (learned_positions) fill_normal(pos_embed, 0, 0.02f, rng);
    for (int i = 0; i < s.depth; ++i) layers.emplace_back(s.width, s.heads, rng);
  }
  // The visible patches as tokens, after the class token: [N, 1 + kept, width].
  Tensor embed(const Tensor& images, const PatchMask& mask = {}) const {
    return embed_tokens(patch_embed(images, mask), cls_token, pos_embed, mask);
  }
  Tensor encode(const Tensor& images, const PatchMask& mask) const {
    Tensor x = embed(images, mask);
    for (auto& layer : layers) x = layer(x);
    return norm(x);
  }
  std::vector<std::string> block_names() const override {
    std::vector<std::string> names = {"patch_embed"};
    for (size_t i = 0; i < layers.size(); ++i) names.push_back("blocks." + std::to_string(i));
    return names;
  }
  Tensor block(int i, const Tensor& x) const override {
    if (i == 0) return embed(x);
    const bool dropping = training && paths;
    return layers[size_t(i - 1)](x, dropping ? slice(paths, 2 * i - 2, 2 * i) : Tensor());
  }
  // Without the class token: [N, grid, grid, width].
  Tensor map(const Tensor& tokens) const override {
    const int N = tokens.shape[0], width = dim(), all = tokens.shape[1] * width;
    return reshape(slice_columns(reshape(tokens, {N, all}), width, all), {N, grid, grid, width});
  }
  Tensor pool(const Tensor& tokens) const override {
    if (mean) return norm(global_avg_pool(map(tokens)));
    const int N = tokens.shape[0], all = tokens.shape[1] * dim();
    return norm(slice_columns(reshape(tokens, {N, all}), 0, dim()));
  }
  int dim() const override { return patch_embed.weight.shape[0]; }
  std::string head_name() const override { return "head"; }
  void visit_block(int i, Visitor& v) override {
    if (i == 0) {
      v.training(training);
      v("cls_token", cls_token, Role::weight);
      // As timm, no decay: Role::scalar.
      v("pos_embed", pos_embed, learned_positions ? Role::scalar : Role::buffer);
      v("patch_embed", patch_embed);
    } else {
      v("blocks." + std::to_string(i - 1), layers[size_t(i - 1)]);
    }
    if (i + 1 == block_count()) v(mean ? "fc_norm" : "norm", norm);
  }
};

}  // namespace autodidact
