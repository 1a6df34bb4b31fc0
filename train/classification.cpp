#include "train/classification.h"
#include <algorithm>
#include "models/vit.h"
#include "train/drop_path.h"

namespace autodidact {

void ModelKeys::visit(Keys& k) {
  int64_t width = encoder.width, groups = encoder.groups;
  int64_t patch = encoder.patch, depth = encoder.depth, heads = encoder.heads;
  std::string known;
  for (const std::string& name : encoder_names()) known += (known.empty() ? "" : ", ") + name;
  k("model", encoder.name, known.c_str());
  k("width", width, "channels of the first stage, or of a token; 0: the paper's", 0, 4096);
  k("norm", encoder.norm, "own: GroupNorm in resnet26, BatchNorm in the other ResNets and NIN",
    {"own", "batch", "group"});
  k("groups", groups, "of GroupNorm; 0 in resnet26: BatchNorm", 0, 4096);
  k("imagenet_stem", encoder.imagenet_stem,
    "ResNet-18/34/50: 7x7 with stride 2 and a max-pool, for pictures of 224 pixels");
  k("patch_size", patch, "of a Vision Transformer: pixels a side", 1, 1024);
  k("depth", depth, "of a Vision Transformer: blocks; 0: the paper's", 0, 1024);
  k("heads", heads, "of a Vision Transformer: heads of attention; 0: the paper's", 0, 1024);
  k("pool", encoder.pool, "of a Vision Transformer: its class token, or the mean of the patches",
    {"cls", "mean"});
  k("positions", encoder.positions, "of a Vision Transformer: fixed sines and cosines, or learned",
    {"sincos", "learned"});
  encoder.width = int(width), encoder.groups = int(groups);
  encoder.patch = int(patch), encoder.depth = int(depth), encoder.heads = int(heads);
}

EncoderOptions ModelKeys::for_side(int side) const {
  EncoderOptions options = encoder;
  options.side = side;
  return options;
}

Normalization normalization_of(const std::string& name) {
  if (name == "cifar10")  // Gidaris et al. 2018, their code
    return {{125.3f / 255, 123.0f / 255, 113.9f / 255}, {63.0f / 255, 62.1f / 255, 66.7f / 255}};
  if (name == "imagenet")
    return {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};  // torchvision
  if (name == "none") return {{0, 0, 0}, {1, 1, 1}};              // SimCLR
  return {};
}

void AugmentationKeys::visit(Keys& k) {
  k("crop_padding", crop_padding,
    "pixels of black around the picture before the random crop; 0: no crop", 0, 512);
  k("flip", flip, "mirror half of the pictures");
  k("normalization", normalization, "mean and standard deviation of the pixels",
    {"none", "half", "cifar10", "imagenet"});
}

Augmentation AugmentationKeys::options(uint64_t seed) const {
  Augmentation a;
  a.crop_padding = int(crop_padding), a.random_crop = crop_padding > 0, a.random_flip = flip;
  a.normalization = normalization_of(normalization), a.seed = seed;
  return a;
}

void ClassificationKeys::visit(Keys& k) {
  model.visit(k);
  augmentation.visit(k);
  k("label_smoothing", label_smoothing, "part of the target spread over all classes", 0, 0.999);
  k("drop_path", drop_path,
    "of a Vision Transformer in training: part of the pictures that skip a branch of the last "
    "block; before it fewer, in the first none",
    0.0, 0.99);
}

static Classifier make_classifier(const ClassificationKeys& keys, size_t outputs,
                                  const DataFacts& data) {
  Rng rng = data.rng(Stream::init);
  return Classifier(keys.model.for_side(data.side), int(outputs), rng);
}

Classification::Classification(const ClassificationKeys& keys, std::vector<std::string> outputs,
                               Rotation rotation, const DataFacts& data, Dtype dtype)
    : keys_(keys),
      outputs_(std::move(outputs)),
      rotation_(rotation),
      augmentation_(keys.augmentation.options(data.seed)),
      dtype_(dtype),
      model_(make_classifier(keys, outputs_.size(), data)) {
  augmentation_.rotation = rotation;
  if (keys.drop_path == 0) return;
  dropping_ = dynamic_cast<VisionTransformer*>(model_.encoder.get());
  if (!dropping_)
    fail(ErrorKind::usage, "train: drop_path is for Vision Transformers, got ", keys.drop_path,
         " for ", keys.model.encoder.name);
}

std::string Classification::prediction() const {
  return rotation_ == Rotation::none
             ? Method::prediction()
             : "degrees by which the picture seems to be turned counter-clockwise";
}

double count_right(const Tensor& logits, const Tensor& labels) {
  Tensor values = cast(to_device(detach(logits), Device::cpu), Dtype::f32);
  Tensor expected = to_device(labels, Device::cpu);
  const float* row = ptr<const float>(values);
  const int32_t* label = ptr<const int32_t>(expected);
  int n = logits.shape[0], classes = logits.shape[1], right = 0;
  for (int i = 0; i < n; ++i, row += classes)
    right += std::max_element(row, row + classes) - row == label[i];
  return right;
}

const Tensor& labels_of(const NetworkInput& in) { return in.turns ? in.turns : in.labels; }

Tensor Classification::loss(const Batch& batch, Metrics& of_batch) {
  prepare(batch);
  Tensor y = loss();
  of_batch = metrics();
  return y;
}

void Classification::prepare(const Batch& batch) {
  augment(input_, batch, augmentation_, dtype_, device());
  if (keys_.mix.any()) mix(input_, draw_mix(keys_.mix, augmentation_.seed, batch), batch.labels);
  if (!dropping_) return;
  const int depth = int(dropping_->layers.size()), inputs = input_.x.shape[0];
  const std::vector<float> paths =
      draw_paths(keys_.drop_path, depth, augmentation_.seed, batch, inputs / batch.count);
  make_once(dropping_->paths, {2 * depth, inputs}, Dtype::f32, device());
  fill_from_host(dropping_->paths, paths.data());
}

Tensor Classification::loss() {
  const float smoothing = float(keys_.label_smoothing);
  Tensor logits = model_(input_.x);
  Tensor loss = cross_entropy(logits, labels_of(input_), smoothing);
  if (input_.partners)  // cross entropy is linear in its target
    loss =
        reshape(slice(input_.shares, 0, 1), {}) * loss +
        reshape(slice(input_.shares, 1, 2), {}) * cross_entropy(logits, input_.partners, smoothing);
  loss_ = detach(loss), logits_ = detach(logits);
  return loss;
}

// Of mixed pictures either label counts as right by its share.
Metrics Classification::metrics() const {
  double right = count_right(logits_, labels_of(input_));
  if (input_.partners) {
    const Tensor shares = to_device(input_.shares, Device::cpu);
    const float* share = ptr<const float>(shares);
    right = double(share[0]) * right + double(share[1]) * count_right(logits_, input_.partners);
  }
  return {{"loss", double(item<float>(loss_))}, {"accuracy", right / logits_.shape[0]}};
}

Metrics Classification::evaluate(Loader& pictures, const std::function<bool()>& stop) {
  // Rotation is judged on all four turns of every untouched picture.
  Augmentation untouched;
  untouched.normalization = augmentation_.normalization;
  untouched.rotation = rotation_ == Rotation::none ? Rotation::none : Rotation::all;
  double loss = 0, right = 0, seen = 0;
  for (int64_t b = 0; b < pictures.batches_per_epoch(); ++b) {
    if (stop()) return {};
    const Batch& batch = pictures.next();
    if (batch.count == 0) continue;  // all damaged
    NetworkInput in = augment(batch, untouched, dtype_, device());
    Tensor logits = model_(in.x);
    int n = logits.shape[0];
    loss += double(item<float>(cross_entropy(logits, labels_of(in), 0.0f))) * n;
    right += count_right(logits, labels_of(in));
    seen += n;
  }
  check(seen > 0, "evaluate: the data set is empty");
  return {{"test_loss", loss / seen}, {"test_accuracy", right / seen}};
}

}  // namespace autodidact
