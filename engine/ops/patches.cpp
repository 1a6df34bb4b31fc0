// Patches of pixels and the tokens made of them: what a Vision Transformer and a masked autoencoder
// need around their blocks.
#include "kernels/patches.h"
#include "engine/dispatch.h"
#include "engine/ops.h"
#include "engine/ops/checks.h"
#include "kernels/tokens.h"

namespace autodidact {

PatchMask draw_mask(const std::vector<int64_t>& indices, int patches, int kept, uint64_t seed,
                    uint32_t stream, uint32_t epoch, Device device) {
  check(patches >= 1 && patches <= kMostPatches, "draw_mask: patches must be from 1 to ",
        kMostPatches, ", got ", patches);
  check(kept >= 0 && kept <= patches, "draw_mask: kept must be from 0 to ", patches, ", got ",
        kept);
  const int samples = int(indices.size());
  PatchMask mask{empty({samples, kept}, Dtype::i32, device),
                 empty({samples, patches}, Dtype::i32, device)};
  const Tensor keys = from_host({samples}, indices.data(), device);
  on_device(keys, [&](auto queue) {
    run(queue, DrawMask{ptr<int32_t>(mask.visible), ptr<int32_t>(mask.place),
                        ptr<const int64_t>(keys), samples, patches, kept, seed, stream, epoch});
  });
  return mask;
}

namespace {

PatchSizes patch_sizes(const char* op, const Tensor& images, int patch) {
  check(images.shape.rank() == 4, op, ": images must be [N, H, W, C], got ", images.shape);
  const Shape& s = images.shape;
  check(patch >= 1 && s[1] > 0 && s[2] > 0 && s[1] % patch == 0 && s[2] % patch == 0, op,
        ": the patch must divide height and width, got ", patch, " for ", s);
  return {s[0], s[1], s[2], s[3], patch};
}

void check_mask(const char* op, const PatchMask& mask, int samples, int patches) {
  check(mask.place.shape == Shape{samples, patches}, op, ": the mask must be of ",
        Shape{samples, patches}, " patches, got ", mask.place.shape);
}

}  // namespace

Tensor gather_patches(const Tensor& images, int patch, const PatchMask& mask) {
  check_dtypes("gather_patches", images, {}, "images");
  const PatchSizes s = patch_sizes("gather_patches", images, patch);
  if (mask) check_mask("gather_patches", mask, s.samples, s.patches());
  const int kept = mask ? mask.kept() : s.patches();
  Tensor y = empty({s.samples, kept, s.pixels()}, images.dtype, images.device());
  dispatch(images, [&]<class T>(auto queue, T) {
    run(queue, GatherPatches<T>{ptr<T>(y), ptr<const T>(images), ptr<const int32_t>(mask.visible),
                                s, kept});
  });
  return record("gather_patches", y, {images},
                [place = save(mask.place), s, kept](const Tensor& dy, GradSlots& d) {
                  Tensor dimages = d.activation(0);
                  if (!dimages) return;
                  dispatch(dy, [&]<class T>(auto queue, T) {
                    run(queue, GatherPatchesBackward<T>{ptr<T>(dimages), ptr<const T>(dy),
                                                        ptr<const int32_t>(*place), s, kept});
                  });
                });
}

Tensor embed_tokens(const Tensor& x, const Tensor& class_token, const Tensor& pos,
                    const PatchMask& mask) {
  check_dtypes("embed_tokens", x,
               {{"class_token", class_token, x.dtype}, {"pos", pos, acc(x.dtype)}});
  check(x.shape.rank() == 3, "embed_tokens: x must be [N, T, C], got ", x.shape);
  TokenSizes s{x.shape[0], x.shape[1], x.shape[1], x.shape[2], class_token ? 1 : 0};
  if (mask) s.patches = mask.patches();
  if (mask) check_mask("embed_tokens", mask, s.samples, s.patches);
  check(!mask || mask.kept() == s.kept, "embed_tokens: x must have the ", mask ? mask.kept() : 0,
        " visible patches, got ", x.shape);
  check(!class_token || class_token.size() == s.channels, "embed_tokens: class_token must have ",
        s.channels, " numbers, got ", class_token.shape);
  check(pos.size() == int64_t(s.prefix + s.patches) * s.channels, "embed_tokens: pos must be of ",
        s.prefix + s.patches, " tokens of ", s.channels, ", got ", pos.shape);
  Tensor y = empty({s.samples, s.prefix + s.kept, s.channels}, x.dtype, x.device());
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, EmbedTokens<T>{ptr<T>(y), ptr<const T>(x), ptr<const T>(class_token),
                              ptr<const Acc<T>>(pos), ptr<const int32_t>(mask.visible), s});
  });
  return record("embed_tokens", y, {x, class_token, pos},
                [place = save(mask.place), s](const Tensor& dy, GradSlots& d) {
                  Tensor dx = d.activation(0), dtoken = d.weight(1), dpos = d.weight(2);
                  dispatch(dy, [&]<class T>(auto queue, T) {
                    run(queue,
                        EmbedTokensBackward<T>{ptr<T>(dx), ptr<Acc<T>>(dtoken), ptr<Acc<T>>(dpos),
                                               ptr<const T>(dy), ptr<const int32_t>(*place), s});
                  });
                });
}

Tensor unshuffle(const Tensor& x, const Tensor& mask_token, const Tensor& pos,
                 const PatchMask& mask) {
  check_dtypes("unshuffle", x, {{"mask_token", mask_token, x.dtype}, {"pos", pos, acc(x.dtype)}});
  check(x.shape.rank() == 3, "unshuffle: x must be [N, T, C], got ", x.shape);
  const int prefix = x.shape[1] - mask.kept();
  check(prefix == 0 || prefix == 1, "unshuffle: x must have the ", mask.kept(),
        " visible patches, after a class token or alone, got ", x.shape);
  const TokenSizes s{x.shape[0], mask.patches(), mask.kept(), x.shape[2], prefix};
  check_mask("unshuffle", mask, s.samples, s.patches);
  check(mask_token.size() == s.channels, "unshuffle: mask_token must have ", s.channels,
        " numbers, got ", mask_token.shape);
  check(pos.size() == int64_t(prefix + s.patches) * s.channels, "unshuffle: pos must be of ",
        prefix + s.patches, " tokens of ", s.channels, ", got ", pos.shape);
  Tensor y = empty({s.samples, prefix + s.patches, s.channels}, x.dtype, x.device());
  dispatch(x, [&]<class T>(auto queue, T) {
    run(queue, Unshuffle<T>{ptr<T>(y), ptr<const T>(x), ptr<const T>(mask_token),
                            ptr<const Acc<T>>(pos), ptr<const int32_t>(mask.place), s});
  });
  return record("unshuffle", y, {x, mask_token, pos},
                [place = save(mask.place), s](const Tensor& dy, GradSlots& d) {
                  Tensor dx = d.activation(0), dtoken = d.weight(1), dpos = d.weight(2);
                  dispatch(dy, [&]<class T>(auto queue, T) {
                    run(queue,
                        UnshuffleBackward<T>{ptr<T>(dx), ptr<Acc<T>>(dtoken), ptr<Acc<T>>(dpos),
                                             ptr<const T>(dy), ptr<const int32_t>(*place), s});
                  });
                });
}

Tensor patch_loss(const Tensor& prediction, const Tensor& images, int patch, const PatchMask& mask,
                  bool normalize, Tensor* each) {
  check_dtypes("patch_loss", prediction, {{"images", images, prediction.dtype}}, "prediction");
  const PatchSizes s = patch_sizes("patch_loss", images, patch);
  check_mask("patch_loss", mask, s.samples, s.patches());
  const Shape& shape = prediction.shape;
  const int prefix = shape.rank() == 3 ? shape[1] - s.patches() : -1;
  check((prefix == 0 || prefix == 1) && shape[0] == s.samples && shape[2] == s.pixels(),
        "patch_loss: prediction must be ", Shape{s.samples, s.patches(), s.pixels()},
        ", after a class token or alone, got ", shape);
  check(!images.node, "patch_loss: images get no gradient: detach them");
  check(!each ||
            (each->shape == Shape{s.samples, s.patches()} && each->dtype == acc(prediction.dtype)),
        "patch_loss: each must be ", Shape{s.samples, s.patches()}, ", got ",
        each ? each->shape : Shape{});
  const int hidden = s.patches() - mask.kept();
  Tensor loss = empty({}, acc(prediction.dtype), prediction.device());
  dispatch(prediction, [&]<class T>(auto queue, T) {
    run(queue, PatchLossForward<T>{ptr<Acc<T>>(loss), each ? ptr<Acc<T>>(*each) : nullptr,
                                   ptr<const T>(prediction), ptr<const T>(images),
                                   ptr<const int32_t>(mask.place), s, prefix, hidden, normalize});
  });
  return record("patch_loss", loss, {prediction},
                [prediction = save(prediction), images = save(images), place = save(mask.place), s,
                 prefix, hidden, normalize](const Tensor& dloss, GradSlots& d) {
                  Tensor dprediction = d.activation(0);
                  if (!dprediction) return;
                  dispatch(dprediction, [&]<class T>(auto queue, T) {
                    run(queue, PatchLossBackward<T>{
                                   ptr<T>(dprediction), ptr<const Acc<T>>(dloss),
                                   ptr<const T>(*prediction), ptr<const T>(*images),
                                   ptr<const int32_t>(*place), s, prefix, hidden, normalize});
                  });
                });
}

}  // namespace autodidact
