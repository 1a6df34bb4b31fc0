// The masked autoencoder (He et al. 2022, figure 1): the encoder sees the visible patches alone, a
// small decoder sees mask tokens at the places of the others and rebuilds their pixels. The names
// of the released code.
#pragma once
#include <memory>
#include "models/vit.h"

namespace autodidact {

struct DecoderSizes {
  int width = 512, depth = 8, heads = 16;
};

struct MaskedAutoencoder {
  std::unique_ptr<VisionTransformer> encoder;
  Linear decoder_embed;
  Tensor mask_token, decoder_pos_embed;  // [1, 1, width], [1, 1 + patches, width]: fixed
  std::vector<TransformerBlock> decoder_blocks;
  LayerNorm decoder_norm;
  Linear decoder_pred;

  MaskedAutoencoder(std::unique_ptr<VisionTransformer> vit, const DecoderSizes& s, Rng& rng)
      : encoder(std::move(vit)),
        decoder_embed(xavier_linear(encoder->dim(), s.width, rng)),
        mask_token(empty({1, 1, s.width})),
        decoder_pos_embed(sincos_positions(encoder->grid, encoder->grid, s.width, 1)),
        decoder_norm(s.width),
        decoder_pred(xavier_linear(s.width, patch() * patch() * 3, rng)) {
    fill_normal(mask_token, 0, 0.02f, rng);
    for (int i = 0; i < s.depth; ++i) decoder_blocks.emplace_back(s.width, s.heads, rng);
  }
  int patch() const { return encoder->patch_embed.patch(); }
  int patches() const { return encoder->grid * encoder->grid; }

  // What is seen in every patch, after a row for the class token: [N, 1 + patches, patch patch 3].
  Tensor operator()(const Tensor& images, const PatchMask& mask) const {
    Tensor x = decoder_embed(encoder->encode(images, mask));
    x = unshuffle(x, mask_token, decoder_pos_embed, mask);
    for (auto& block : decoder_blocks) x = block(x);
    return decoder_pred(decoder_norm(x));
  }
  void visit(Visitor& v) {
    encoder->visit(v);
    v("mask_token", mask_token, Role::weight);
    v("decoder_pos_embed", decoder_pos_embed, Role::buffer);
    v("decoder_embed", decoder_embed);
    v("decoder_blocks", decoder_blocks);
    v("decoder_norm", decoder_norm);
    v("decoder_pred", decoder_pred);
  }
};

// What a masked autoencoder's file holds beside its encoder.
inline const std::vector<std::string> kDecoderModules = {"mask_token",    "decoder_pos_embed",
                                                         "decoder_embed", "decoder_blocks",
                                                         "decoder_norm",  "decoder_pred"};

}  // namespace autodidact
