// The gates of the built-in world (docs/world.md): how well which learner may do on 5,000 training
// and 2,000 test pictures of 32 pixels. Where one fails, the generator changes, not the gate.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <numeric>
#include "engine/optimizer.h"
#include "engine/schedule.h"
#include "kernels/parallel.h"
#include "models/resnet.h"
#include "tests/skip.h"
#include "train/augment.h"
#include "train/data/world.h"
#include "train/evaluate/linear.h"
#include "train/evaluate/map_pooling.h"
#include "train/evaluate/standardize.h"

using namespace autodidact;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSlowBuild = true;
#else
constexpr bool kSlowBuild = false;
#endif

constexpr int kTrain = 5000, kTest = 2000, kSide = 32;
constexpr int64_t kPixels = int64_t(kSide) * kSide;

Batch pictures(WorldSplit split, int count) {
  Batch b;
  b.count = count, b.side = kSide;
  b.images.resize(size_t(count * kPixels * 3));
  b.labels.resize(size_t(count));
  b.samples.resize(size_t(count));
  std::iota(b.samples.begin(), b.samples.end(), 0);
  parallel_for(count, 50, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      b.labels[size_t(i)] = render_world_image(&b.images[size_t(i * kPixels * 3)],
                                               {0, split, WorldView::one, kSide}, i);
  });
  return b;
}
const Batch& train_pictures() {
  static const Batch b = pictures(WorldSplit::train, kTrain);
  return b;
}
const Batch& test_pictures() {
  static const Batch b = pictures(WorldSplit::test, kTest);
  return b;
}

std::vector<int32_t> values(const Tensor& labels) {
  return {ptr<int32_t>(labels), ptr<int32_t>(labels) + labels.size()};
}

// Accuracy in percent of the linear classifier whose rate is best on the test split: an upper bound
// on what any honest choice of the rate gives.
double linear_accuracy(Tensor train, const std::vector<int32_t>& train_labels, Tensor test,
                       const std::vector<int32_t>& test_labels, int classes) {
  Standardization s = statistics_of(train);
  standardize(train, s), standardize(test, s);
  std::vector<double> all =
      accuracies(fit_linear(train, train_labels, classes, {}), test, test_labels);
  return 100 * *std::max_element(all.begin(), all.end());
}

// Square roots of the counts of 6 x 6 x 6 colours (Hellinger's metric: stronger than the counts).
Tensor histogram(const Batch& b) {
  Tensor x = zeros({b.count, 216});
  for (int i = 0; i < b.count; ++i) {
    float* row = ptr<float>(x) + int64_t(i) * 216;
    for (int64_t p = i * kPixels; p < (i + 1) * kPixels; ++p) {
      const uint8_t* rgb = &b.images[size_t(p * 3)];
      ++row[rgb[0] / 43 * 36 + rgb[1] / 43 * 6 + rgb[2] / 43];
    }
    for (int c = 0; c < 216; ++c) row[c] = std::sqrt(row[c]);
  }
  return x;
}

// ResNet with one block a stage and a stem of stride 2: four million multiplications a picture.
struct SmallResNet {
  ResNet<BasicBlock> encoder;
  Linear fc;
  SmallResNet(int classes, Rng rng)
      : encoder({1, 1, 1, 1}, 16, false, 0, rng), fc(encoder.dim(), classes, rng) {
    encoder.conv1.stride = 2;
  }
  Tensor operator()(const Tensor& x) const { return fc(encoder.features(x)); }
  void visit(Visitor& v) {
    encoder.visit(v);
    v("fc", fc);
  }
};

Augmentation augmentation(Rotation rotation) {
  Augmentation a;
  a.crop_padding = 2, a.random_crop = true, a.random_flip = true, a.rotation = rotation;
  return a;
}

// SGD with warm-up and cosine, `images` pictures a step; labels are the classes or, where all four
// rotations of each picture are shown, the quarter turns.
void fit(SmallResNet& net, int epochs, int images, Rotation rotation) {
  const Batch& all = train_pictures();
  Parameters parameters(net);
  Optimizer optimizer(parameters, {.weight_decay = 5e-4f, .momentum = 0.9f, .nesterov = true});
  const int steps = kTrain / images;
  Schedule rate{.base = 0.1,
                .decay = Decay::cosine,
                .total = int64_t(epochs) * steps,
                .warmup = epochs * steps / 7};
  std::vector<int> order(kTrain);
  std::iota(order.begin(), order.end(), 0);
  Rng shuffle(3, Stream::order);
  set_training(net, true);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    for (int i = kTrain - 1; i > 0; --i)
      std::swap(order[size_t(i)], order[shuffle.below(uint32_t(i + 1))]);
    for (int step = 0; step < steps; ++step) {
      Batch b;
      b.epoch = epoch, b.count = images, b.side = kSide;
      for (int k = 0; k < images; ++k) {
        int i = order[size_t(step * images + k)];
        auto first = all.images.begin() + i * kPixels * 3;
        b.images.insert(b.images.end(), first, first + kPixels * 3);
        b.samples.push_back(i);
        b.labels.push_back(all.labels[size_t(i)]);
      }
      NetworkInput in = augment(b, augmentation(rotation), Dtype::f32);
      Tensor labels = in.turns;
      if (rotation == Rotation::none) {
        labels = empty({images}, Dtype::i32);
        std::copy(b.labels.begin(), b.labels.end(), ptr<int32_t>(labels));
      }
      backward(cross_entropy(net(in.x), labels));
      optimizer.update(rate(int64_t(epoch) * steps + step));
    }
  }
  set_training(net, false);
}

constexpr int kChunk = 250;
Tensor chunk(const Batch& b, int at) {
  return normalize(&b.images[size_t(at * kPixels * 3)], kChunk, kSide, {}, Dtype::f32);
}
int right(const Tensor& logits, const int32_t* labels) {
  int classes = logits.shape.back(), n = 0;
  for (int i = 0; i < logits.shape[0]; ++i) {
    const float* row = ptr<float>(logits) + i * classes;
    n += std::max_element(row, row + classes) - row == labels[i];
  }
  return n;
}

// Percent of the test pictures, upright or in all four rotations.
double network_accuracy(SmallResNet& net, Rotation rotation) {
  const Batch& test = test_pictures();
  int n = 0;
  for (int at = 0; at < kTest; at += kChunk) {
    if (rotation == Rotation::none) {
      n += right(net(chunk(test, at)), &test.labels[size_t(at)]);
      continue;
    }
    Batch part;
    part.count = kChunk, part.side = kSide;
    part.images.assign(test.images.begin() + at * kPixels * 3,
                       test.images.begin() + (at + kChunk) * kPixels * 3);
    part.samples.resize(kChunk);
    Augmentation turned;
    turned.rotation = rotation;
    NetworkInput in = augment(part, turned, Dtype::f32);
    n += right(net(in.x), ptr<int32_t>(in.turns));
  }
  return 100.0 * n / (kTest * (rotation == Rotation::none ? 1 : 4));
}

// The best block's linear probe, in percent: maps averaged to a grid of up to 4 x 4.
double probe(const SmallResNet& net) {
  double best = 0;
  for (int block = 0; block < net.encoder.block_count(); ++block) {
    auto features = [&](const Batch& b) {
      Tensor x;
      for (int at = 0; at < b.count; at += kChunk) {
        Tensor maps = net.encoder.blocks(chunk(b, at))[size_t(block)];
        int grid = grid_for(maps.shape, 4, 1024), cols = grid * grid * maps.shape.back();
        if (!x) x = empty({b.count, cols});
        average_to_grid(ptr<float>(x) + int64_t(at) * cols, cols, maps, grid);
      }
      return x;
    };
    double accuracy =
        linear_accuracy(features(train_pictures()), train_pictures().labels,
                        features(test_pictures()), test_pictures().labels, kWorldClasses);
    MESSAGE("probe of ", net.encoder.block_names()[size_t(block)], ": ", accuracy);
    best = std::max(best, accuracy);
  }
  return best;
}

bool too_slow(const char* name) {
  if (kSlowBuild)
    skipped(name, "trains networks for minutes, which a sanitizer would make an hour");
  return kSlowBuild;
}

}  // namespace

TEST_CASE("world gates: linear classifiers") {
  if (too_slow("world gates: linear classifiers")) return;
  const Batch &train = train_pictures(), &test = test_pictures();
  auto flat = [](const Tensor& x) { return view(x, {x.shape[0], int(kPixels * 3)}); };
  auto upright = [&](const Batch& b) {
    return flat(normalize(b.images.data(), b.count, kSide, {}, Dtype::f32));
  };
  double pixels =
      linear_accuracy(upright(train), train.labels, upright(test), test.labels, kWorldClasses);
  MESSAGE("linear classifier on raw pixels: ", pixels);
  CHECK(pixels <= 35);

  double colours =
      linear_accuracy(histogram(train), train.labels, histogram(test), test.labels, kWorldClasses);
  MESSAGE("linear classifier on a colour histogram: ", colours);
  CHECK(colours <= 25);

  Augmentation turned;
  turned.rotation = Rotation::random;
  NetworkInput a = augment(train, turned, Dtype::f32), b = augment(test, turned, Dtype::f32);
  double rotation = linear_accuracy(flat(a.x), values(a.turns), flat(b.x), values(b.turns), 4);
  MESSAGE("rotation, linear classifier on raw pixels: ", rotation);
  CHECK(rotation <= 40);
}

TEST_CASE("world gates: a small supervised ResNet") {
  if (too_slow("world gates: a small supervised ResNet")) return;
  SmallResNet net(kWorldClasses, Rng(1));
  fit(net, 12, 64, Rotation::none);
  double accuracy = network_accuracy(net, Rotation::none);
  MESSAGE("supervised: ", accuracy);
  CHECK(accuracy >= 90);
}

TEST_CASE("world gates: rotation, and what it teaches") {
  if (too_slow("world gates: rotation, and what it teaches")) return;
  SmallResNet net(4, Rng(1));
  // The untrained network's normalisation is fitted to the data first, or it is a straw man.
  set_training(net, true);
  for (int at = 0; at < kTrain; at += kChunk) net(chunk(train_pictures(), at));
  set_training(net, false);
  double untrained = probe(net);
  MESSAGE("linear probe, untrained: ", untrained);
  CHECK(untrained <= 55);

  fit(net, 10, 32, Rotation::all);
  double rotation = network_accuracy(net, Rotation::all);
  MESSAGE("rotation: ", rotation);
  CHECK(rotation >= 80);
  CHECK(rotation <= 97);

  double learned = probe(net);
  MESSAGE("linear probe, after rotation: ", learned);
  CHECK(learned >= untrained + 8);
}
