// The masked autoencoder (He et al. 2022): the mask is drawn first, the visible patches alone are
// embedded, and the loss is the squared error of the hidden patches' pixels.
#include "models/mae.h"
#include "train/classification.h"

namespace autodidact {
namespace {

struct MaskedKeys {
  ModelKeys model;
  AugmentationKeys augmentation;
  int64_t decoder_width = 512, decoder_depth = 8, decoder_heads = 16;
  double mask_ratio = 0.75;
  bool normalize_pixels = true;

  MaskedKeys() { model.encoder.name = "vit_tiny"; }
  void visit(Keys& k) {
    model.visit(k);
    augmentation.visit(k);
    k("mask_ratio", mask_ratio, "part of the patches that is hidden", 0.0, 0.999);
    k("decoder_width", decoder_width, "of a token in the decoder", 4, 4096);
    k("decoder_depth", decoder_depth, "blocks of the decoder", 1, 1024);
    k("decoder_heads", decoder_heads, "of attention in the decoder", 1, 1024);
    k("normalize_pixels", normalize_pixels,
      "the target is a patch less its mean, by its deviation; false: its pixels");
  }
};

MaskedAutoencoder make_model(const MaskedKeys& keys, const DataFacts& data) {
  Rng rng(data.seed, Stream::init);
  EncoderOptions options = keys.model.encoder;
  options.side = data.side;
  std::unique_ptr<Encoder> encoder = make_encoder(options, rng);
  auto* vit = dynamic_cast<VisionTransformer*>(encoder.get());
  if (!vit)
    fail(ErrorKind::usage, "mae: model must be a Vision Transformer (vit_tiny, ..), got ",
         options.name);
  if (keys.decoder_width % keys.decoder_heads != 0 || keys.decoder_width % 4 != 0)
    fail(ErrorKind::usage, "mae: decoder_width must be a multiple of 4 and of decoder_heads, got ",
         keys.decoder_width, " and ", keys.decoder_heads);
  encoder.release();
  return MaskedAutoencoder(
      std::unique_ptr<VisionTransformer>(vit),
      {int(keys.decoder_width), int(keys.decoder_depth), int(keys.decoder_heads)}, rng);
}

class Masked : public Method {
 public:
  Masked(const MaskedKeys& keys, const DataFacts& data, Dtype dtype)
      : keys_(keys),
        seed_(data.seed),
        dtype_(dtype),
        augmentation_(keys.augmentation.options(data.seed)),
        model_(make_model(keys, data)) {}

  Tensor loss(const Batch& batch, Metrics& metrics) override {
    Tensor images = augment(batch, augmentation_, dtype_).x;
    Tensor loss = loss_of(images, mask(batch, uint32_t(batch.epoch)));
    metrics = {{"loss", double(*ptr<const float>(loss))}};
    return loss;
  }

  // One mask a picture, the same at every look.
  Metrics evaluate(Loader& pictures, const std::function<bool()>& stop) override {
    Augmentation untouched;
    untouched.normalization = augmentation_.normalization;
    double loss = 0, seen = 0;
    for (int64_t b = 0; b < pictures.batches_per_epoch(); ++b) {
      if (stop()) return {};
      const Batch& batch = pictures.next();
      if (batch.count == 0) continue;  // all damaged
      Tensor images = augment(batch, untouched, dtype_).x;
      loss += double(*ptr<const float>(loss_of(images, mask(batch, 0)))) * batch.count;
      seen += batch.count;
    }
    check(seen > 0, "evaluate: the data set is empty");
    return {{"test_loss", loss / seen}};
  }

  Encoder& encoder() override { return *model_.encoder; }
  Tensor logits(const Tensor&) const override {
    fail(ErrorKind::usage, "mae: has no head that predicts");
  }
  Normalization normalization() const override { return augmentation_.normalization; }
  void visit(Visitor& v) override { model_.visit(v); }
  std::vector<std::string> heads() const override { return kDecoderModules; }
  std::vector<std::string> outputs() const override { return {}; }
  bool uses_labels() const override { return false; }

 private:
  PatchMask mask(const Batch& batch, uint32_t epoch) const {
    const int patches = model_.patches();
    const int kept = int(double(patches) * (1 - keys_.mask_ratio));  // as the released code
    return draw_mask(batch.samples, patches, kept, seed_, uint32_t(Stream::mask), epoch);
  }
  Tensor loss_of(const Tensor& images, const PatchMask& mask) const {
    return patch_loss(model_(images, mask), images, model_.patch(), mask, keys_.normalize_pixels);
  }

  MaskedKeys keys_;
  uint64_t seed_;
  Dtype dtype_;
  Augmentation augmentation_;
  MaskedAutoencoder model_;
};

}  // namespace

std::unique_ptr<Method> make_mae(Recipe& recipe, const DataFacts& data, Dtype dtype) {
  MaskedKeys keys;
  recipe.read(keys);
  return std::make_unique<Masked>(keys, data, dtype);
}

}  // namespace autodidact
