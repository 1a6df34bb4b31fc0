#include "train/mae.h"
#include "train/reconstruct.h"

namespace autodidact {

void MaskedKeys::visit(Keys& k) {
  model.visit(k);
  augmentation.visit(k);
  k("mask_ratio", mask_ratio, "part of the patches that is hidden", 0.0, 0.999);
  k("decoder_width", decoder_width, "of a token in the decoder", 4, 4096);
  k("decoder_depth", decoder_depth, "blocks of the decoder", 1, 1024);
  k("decoder_heads", decoder_heads, "of attention in the decoder", 1, 1024);
  k("normalize_pixels", normalize_pixels,
    "the target is a patch less its mean, by its deviation; false: its pixels");
}

static MaskedAutoencoder make_model(const MaskedKeys& keys, const DataFacts& data) {
  Rng rng = data.rng(Stream::init);
  std::unique_ptr<Encoder> encoder = make_encoder(keys.model.for_side(data.side), rng);
  auto* vit = dynamic_cast<VisionTransformer*>(encoder.get());
  if (!vit)
    fail(ErrorKind::usage, "mae: model must be a Vision Transformer (vit_tiny, ..), got ",
         keys.model.encoder.name);
  if (keys.decoder_width % keys.decoder_heads != 0 || keys.decoder_width % 4 != 0)
    fail(ErrorKind::usage, "mae: decoder_width must be a multiple of 4 and of decoder_heads, got ",
         keys.decoder_width, " and ", keys.decoder_heads);
  const int patches = vit->grid * vit->grid, kept = kept_patches(patches, keys.mask_ratio);
  if (kept == 0 || kept == patches)
    fail(ErrorKind::usage, "mae: mask_ratio must hide some of the ", patches,
         " patches and leave some, got ", keys.mask_ratio);
  encoder.release();
  return MaskedAutoencoder(
      std::unique_ptr<VisionTransformer>(vit),
      {int(keys.decoder_width), int(keys.decoder_depth), int(keys.decoder_heads)}, rng);
}

MaskedTraining::MaskedTraining(const MaskedKeys& keys, const DataFacts& data, Dtype dtype)
    : keys_(keys),
      seed_(data.seed),
      dtype_(dtype),
      augmentation_(keys.augmentation.options(data.seed)),
      model_(make_model(keys, data)) {}

PatchMask MaskedTraining::mask(const Batch& batch, uint32_t epoch) {
  return draw_mask(batch.samples, model_.patches(),
                   kept_patches(model_.patches(), keys_.mask_ratio), seed_, uint32_t(Stream::mask),
                   epoch, device());
}

Tensor MaskedTraining::loss_of(const Tensor& images, const PatchMask& mask) const {
  return patch_loss(model_(images, mask), images, model_.patch(), mask, keys_.normalize_pixels);
}

Tensor MaskedTraining::loss(const Batch& batch, Metrics& metrics) {
  Tensor images = augment(batch, augmentation_, dtype_, device()).x;
  Tensor loss = loss_of(images, mask(batch, uint32_t(batch.epoch)));
  metrics = {{"loss", double(item<float>(loss))}};
  return loss;
}

Metrics MaskedTraining::evaluate(Loader& pictures, const std::function<bool()>& stop) {
  Augmentation untouched;
  untouched.normalization = augmentation_.normalization;
  double loss = 0, seen = 0;
  for (int64_t b = 0; b < pictures.batches_per_epoch(); ++b) {
    if (stop()) return {};
    const Batch& batch = pictures.next();
    if (batch.count == 0) continue;  // all damaged
    Tensor images = augment(batch, untouched, dtype_, device()).x;
    loss += double(item<float>(loss_of(images, mask(batch, 0)))) * batch.count;
    seen += batch.count;
  }
  check(seen > 0, "evaluate: the data set is empty");
  return {{"test_loss", loss / seen}};
}

Tensor MaskedTraining::logits(const Tensor&) const {
  fail(ErrorKind::usage, "mae: has no head that predicts");
}

void MaskedTraining::keep_pictures(const DatasetPtr& pictures, int64_t epoch,
                                   const std::string& folder) {
  keep_reconstruction(*this, pictures, epoch, seed_, dtype_, folder + "/reconstructions");
}

std::unique_ptr<Method> make_mae(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  MaskedKeys keys;
  recipe.read(keys);
  return std::make_unique<MaskedTraining>(keys, data, dtype);
}

}  // namespace autodidact
