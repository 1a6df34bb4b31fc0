#include "ttt/adapter.h"
#include <cmath>
#include <cstring>
#include <numeric>

namespace autodidact {
namespace {

JointTraining& with_branch(Method& method) {
  auto* joint = dynamic_cast<JointTraining*>(&method);
  if (!joint || !joint->network().branch)
    fail(ErrorKind::usage, "adapt: the network has no self-supervised branch; train it with ",
         "`train ttt` (objective joint)");
  return *joint;
}

void check_options(const AdaptOptions& o) {
  auto usage = [](bool holds, auto&&... parts) {
    if (!holds) fail(ErrorKind::usage, "adapt: ", parts...);
  };
  usage(o.steps >= 1, "steps must be at least 1, got ", o.steps);
  usage(o.copies >= 1, "copies must be at least 1, got ", o.copies);
  usage(o.rotation != Rotation::none, "the copies must be turned");
  usage(o.rotation != Rotation::all || o.copies % 4 == 0,
        "in all four turns, copies must be a multiple of 4, got ", o.copies);
  const Rails& r = o.rails;
  usage(r.most_norm >= 0 && r.anchor >= 0 && r.anchor <= 1 && r.reset_every >= 0 &&
            r.alarm_window >= 0,
        "rails: norm, reset and window are at least 0, the anchor is 0 to 1");
  usage(std::isfinite(o.learning_rate) && o.learning_rate >= 0,
        "the learning rate must be a number of at least 0, got ", o.learning_rate);
}

struct Names : Visitor {
  std::vector<std::pair<std::string, Role>> found;
  void tensor(const std::string& name, Tensor&, Role role) override {
    found.emplace_back(name, role);
  }
};

}  // namespace

Adapter::Adapter(Method& method, const AdaptOptions& options)
    : method_(with_branch(method)),
      options_(options),
      parameters_(method_),
      optimizer_(parameters_, {.rule = Rule::sgd, .weight_decay = 0, .momentum = 0}),
      augmentation_(method_.augmentation()) {
  check_options(options);
  set_training(method_, false);
  augmentation_.rotation = options.rotation;
  augmentation_.seed = options.seed;
  thaw_adapted_part();
  take_snapshot();
}

void Adapter::thaw_adapted_part() {
  parameters_.freeze();
  YNetwork& network = method_.network();
  Names shared;
  for (int i = 0; i < network.split; ++i) network.encoder->visit_block(i, shared);
  for (auto& [name, role] : shared.found)
    if (role != Role::buffer && (options_.part != AdaptedPart::norms || role == Role::scalar))
      parameters_.thaw(name);
  if (options_.part == AdaptedPart::all) parameters_.thaw("head");
}

void Adapter::take_snapshot() {
  snapshot_ = clone(parameters_.value);
  learned_ = empty_like(snapshot_);
}

void Adapter::reset() { copy(parameters_.value, snapshot_); }

bool Adapter::is_at_snapshot() const {
  const Tensor before = to_device(snapshot_, Device::cpu),
               now = to_device(parameters_.value, Device::cpu);
  return std::memcmp(before.data(), now.data(), now.bytes()) == 0;
}

// Which pictures the network does not take for upright with certainty.
std::vector<bool> Adapter::uncertain(const uint8_t* images, int count, int side) {
  if (options_.threshold >= 1) return std::vector<bool>(size_t(count), true);
  Frozen frozen(parameters_);
  const Tensor x =
      normalize(images, count, side, augmentation_.normalization, Dtype::f32, device());
  const Tensor turns = to_device(softmax(method_.network().self_supervised(x)), Device::cpu);
  std::vector<bool> found;
  for (int i = 0; i < count; ++i)
    found.push_back(ptr<const float>(turns)[i * turns.shape[1]] < options_.threshold);
  return found;
}

// The copies of the pictures to learn from, before crop, flip and turn.
void Adapter::gather(const uint8_t* images, const int64_t* keys, int count, int side) {
  const int crops = options_.rotation == Rotation::all ? options_.copies / 4 : options_.copies;
  const size_t row = size_t(side) * size_t(side) * 3;
  const std::vector<bool> wanted = uncertain(images, count, side);
  views_.count = 0, views_.side = side;
  views_.images.resize(size_t(count) * size_t(crops) * row);
  views_.samples.resize(size_t(count) * size_t(crops));
  for (int i = 0; i < count; ++i) {
    if (!wanted[size_t(i)]) continue;
    for (int k = 0; k < crops; ++k, ++views_.count) {
      std::memcpy(&views_.images[size_t(views_.count) * row], images + size_t(i) * row, row);
      views_.samples[size_t(views_.count)] = keys[i] * crops + k;
    }
  }
}

NetworkInput Adapter::in_four_turns(const uint8_t* images, int count, int side) const {
  Batch upright;
  upright.count = count, upright.side = side;
  upright.images.assign(images, images + size_t(count) * size_t(side) * size_t(side) * 3);
  upright.samples.resize(size_t(count));
  Augmentation turns;
  turns.normalization = augmentation_.normalization, turns.rotation = Rotation::all;
  return augment(upright, turns, Dtype::f32, device());
}

double Adapter::turn_loss(const NetworkInput& in) {
  Frozen frozen(parameters_);
  return double(item<float>(cross_entropy(method_.network().self_supervised(in.x), in.turns)));
}

// In place of the turns of `count` copies: drawn by picture, copy and step.
Tensor Adapter::random_labels(int count) const {
  Tensor labels = empty({count}, Dtype::i32);
  const int each = count / views_.count;
  for (int i = 0; i < count; ++i)
    ptr<int32_t>(labels)[i] = int32_t(
        below(philox(options_.seed, (uint64_t(Stream::labels) << 32) | uint32_t(views_.epoch),
                     uint64_t(views_.samples[size_t(i / each)] * each + i % each))
                  .v[0],
              4));
  return to_device(labels, device());
}

// Of the pictures that arrive, in all four turns, before anything is learned from them.
bool Adapter::raises_alarm(const uint8_t* images, int count, int side) {
  const NetworkInput in = in_four_turns(images, count, side);
  const double now = turn_loss(in);
  copy(learned_, parameters_.value);
  copy(parameters_.value, snapshot_);
  const double before = turn_loss(in);
  copy(parameters_.value, learned_);
  gains_.push_back(before - now);
  if (int(gains_.size()) > options_.rails.alarm_window) gains_.erase(gains_.begin());
  return int(gains_.size()) == options_.rails.alarm_window &&
         std::accumulate(gains_.begin(), gains_.end(), 0.0) < 0;
}

double Adapter::gradient_product(const uint8_t* image, int label, int side) {
  Tensor target = empty({1}, Dtype::i32);
  *ptr<int32_t>(target) = label;
  const Tensor x = normalize(image, 1, side, augmentation_.normalization, Dtype::f32, device());
  backward(cross_entropy(method_.logits(x), to_device(target, device())));
  parameters_.finish_grad();  // of the self-supervised branch: zero
  const Tensor main = clone(parameters_.grad);
  parameters_.zero_grad();
  const NetworkInput turned = in_four_turns(image, 1, side);
  backward(cross_entropy(method_.network().self_supervised(turned.x), turned.turns));
  parameters_.finish_grad();
  const double product = double(item<float>(sum(main * parameters_.grad)));
  parameters_.zero_grad();
  return product;
}

// w = (1 - anchor) w + anchor snapshot.
void Adapter::return_part_of_the_way() {
  if (options_.rails.anchor > 0)
    update_ema(parameters_.value, snapshot_, float(1 - options_.rails.anchor));
}

// False: there is no further step.
bool Adapter::step(Observed& seen, bool first) {
  const NetworkInput in = augment(views_, augmentation_, Dtype::f32, device());
  const Tensor labels = options_.random_labels ? random_labels(in.turns.shape[0]) : in.turns;
  const Tensor loss = cross_entropy(method_.network().self_supervised(in.x), labels);
  const double now = double(item<float>(loss));
  if (!first && options_.rails.stop_rising && now > seen.last_loss) return false;
  if (first) seen.first_loss = now;
  seen.last_loss = now;
  backward(loss);
  parameters_.finish_grad();
  const double norm = std::sqrt(double(item<float>(sum_of_squares(parameters_.grad))));
  if (!std::isfinite(now) || !std::isfinite(norm)) {
    parameters_.zero_grad();
    reset();
    seen.failed = true;
    return false;
  }
  const double most = options_.rails.most_norm;
  optimizer_.update(options_.learning_rate, most > 0 && norm > most ? most / norm : 1);
  return true;
}

Observed Adapter::observe(const uint8_t* images, const int64_t* keys, int count, int side) {
  if (options_.keep == Keep::standard) reset();
  Observed seen;
  if (count == 0) return seen;
  const Rails& rails = options_.rails;
  if (rails.reset_every > 0 && batches_ >= rails.reset_every) reset(), batches_ = 0;
  ++batches_;
  if (rails.alarm_window > 0 && raises_alarm(images, count, side)) {
    reset();
    gains_.clear();
    seen.alarmed = true;
  }
  gather(images, keys, count, side);
  const int crops = options_.rotation == Rotation::all ? options_.copies / 4 : options_.copies;
  seen.adapted = views_.count / crops;
  for (int k = 0; k < options_.steps && seen.adapted > 0; ++k) {
    views_.epoch = k;  // other draws in each step
    if (!step(seen, k == 0)) break;
  }
  return_part_of_the_way();
  return seen;
}

Tensor Adapter::predict(const uint8_t* images, int count, int side) {
  Frozen frozen(parameters_);
  const Tensor x =
      normalize(images, count, side, augmentation_.normalization, Dtype::f32, device());
  return to_device(softmax(method_.logits(x)), Device::cpu);
}

}  // namespace autodidact
