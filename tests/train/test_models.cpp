// Networks as networks: names and shapes as their sources have them, gradients that reach every
// parameter, a loss that falls, and the same bytes for any number of threads.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>
#include "engine/optimizer.h"
#include "engine/safetensors.h"
#include "kernels/parallel.h"
#include "models/mae.h"

using namespace autodidact;

namespace {

EncoderOptions narrow(const std::string& name) {
  if (name.rfind("vit", 0) == 0) {
    EncoderOptions o{.name = name, .width = 12};
    o.patch = 4, o.depth = 2, o.heads = 3;
    return o;
  }
  return {.name = name,
          .width = name.rfind("nin", 0) == 0 ? 12 : 8,
          .groups = name == "resnet26" ? 4 : 8};
}
const std::vector<EncoderOptions>& networks() {
  static const std::vector<EncoderOptions> all = [] {
    std::vector<EncoderOptions> v;
    for (auto& name : encoder_names()) v.push_back(narrow(name));
    v.push_back({.name = "resnet18", .width = 8, .imagenet_stem = true});
    v.push_back({.name = "resnet26", .width = 8, .groups = 0});
    v.push_back({.name = "resnet26", .width = 32, .groups = 8});
    v.push_back(narrow("vit_tiny"));
    v.back().pool = "mean", v.back().positions = "learned";
    return v;
  }();
  return all;
}

EncoderOptions sized(EncoderOptions options, int side) {
  options.side = side;
  return options;
}
Tensor random_images(int count, int size, Rng& rng) {
  Tensor x = empty({count, size, size, 3});
  fill_normal(x, 0, 1, rng);
  return x;
}
Tensor labels_of(int count, int classes) {
  Tensor labels = empty({count}, Dtype::i32);
  for (int i = 0; i < count; ++i) ptr<int32_t>(labels)[i] = i % classes;
  return labels;
}

}  // namespace

TEST_CASE("models: names, shapes and order are those of torchvision and of the released code") {
  for (std::string name : {"resnet18", "resnet50", "resnet26", "nin4"}) {
    CAPTURE(name);
    bool torchvision = name == "resnet18" || name == "resnet50";
    Rng rng(1);
    Classifier model({.name = name, .imagenet_stem = torchvision}, torchvision ? 1000 : 10, rng);
    TensorFile file;
    auto ours = named_tensors(model);
    store(file, stored_tensors(ours));
    std::ifstream list(SOURCE_DIR "/tests/names/" + name + ".txt");
    std::string line;
    size_t place = 0;
    for (; std::getline(list, line); ++place) {
      REQUIRE(place < ours.size());
      std::ostringstream row;
      row << ours[place].name;
      for (int d : file.tensors.at(ours[place].name).shape) row << " " << d;
      CHECK(row.str() == line);
    }
    CHECK(place == ours.size());
    if (name == "resnet18") {
      CHECK(ours.size() == 122);
      CHECK(Parameters(model).count() == 11689512);
    }
  }
}

TEST_CASE("models: ResNet-9 has the numbers of its release, and a bias for each class") {
  Rng rng(1);
  Classifier network({.name = "resnet9"}, 10, rng);
  CHECK(Parameters(network).count() == 6573120 + 10);
}

TEST_CASE("models: every parameter receives a finite gradient that is written and not zero") {
  for (auto& options : networks()) {
    CAPTURE(options.name);
    Rng rng(2);
    Classifier model(options, 10, rng);
    Parameters parameters(model);
    fill(parameters.grad, NAN);
    Tensor x = random_images(8, 32, rng);
    backward(cross_entropy(model(x), labels_of(8, 10)));
    for (auto& s : parameters.segments()) {
      const float* g = ptr<float>(s.tensor->node->grad);
      double sum = 0;
      for (int64_t i = 0; i < s.size; ++i) sum += std::abs(double(g[i]));
      CHECK_MESSAGE((std::isfinite(sum) && sum > 0), s.name << ": |gradient| adds up to " << sum);
    }
  }
}

TEST_CASE("models: blocks end in the features' size, and features are what the head sees") {
  for (auto& options : networks()) {
    CAPTURE(options.name);
    Rng rng(3);
    auto encoder = make_encoder(options, rng);
    set_training(*encoder, false);
    Tensor x = random_images(2, 32, rng);
    std::vector<Tensor> blocks = encoder->blocks(x);
    CHECK(blocks.size() == encoder->block_names().size());
    CHECK(blocks.back().shape.back() == encoder->dim());
    Tensor features = encoder->features(x);
    CHECK(features.shape == Shape{2, encoder->dim()});
    Tensor pooled = encoder->pool(blocks.back());
    CHECK(std::memcmp(pooled.data(), features.data(), features.bytes()) == 0);
  }
}

TEST_CASE("models: an unknown network is refused with the list of known ones") {
  Rng rng(1);
  CHECK_THROWS_WITH_AS(make_encoder({.name = "resnet"}, rng),
                       "encoder: one of resnet18, resnet34, resnet50, resnet26, resnet9, nin3, "
                       "nin4, nin5, vit_tiny, "
                       "vit_small, vit_base, vit_large, vit_huge is known, got resnet",
                       Error);
}

TEST_CASE("models: a masked autoencoder has the released code's tensors, and gradients reach all") {
  Rng rng(7);
  EncoderOptions base{.name = "vit_base"};
  base.side = 224;
  auto vit = [&](const EncoderOptions& o) {
    return std::unique_ptr<VisionTransformer>(
        dynamic_cast<VisionTransformer*>(make_encoder(o, rng).release()));
  };
  {
    MaskedAutoencoder paper(vit(base), {}, rng);
    auto tensors = named_tensors(paper);
    CHECK(tensors.size() == 254);  // both position tables are in the file, and frozen
    int64_t all = 0;
    for (auto& t : tensors) all += t.tensor->size();
    CHECK(all == 111907840);
    CHECK(tensors[1].name == "pos_embed");
    CHECK(tensors[1].tensor->shape == Shape{1, 197, 768});
    CHECK(std::count_if(tensors.begin(), tensors.end(),
                        [](const NamedTensor& t) { return t.name == "mask_token"; }) == 1);
    CHECK(tensors.back().name == "decoder_pred.bias");
  }
  MaskedAutoencoder model(vit(sized(narrow("vit_tiny"), 16)), {.width = 8, .depth = 1, .heads = 2},
                          rng);
  Parameters parameters(model);
  fill(parameters.grad, NAN);
  Tensor x = random_images(6, 16, rng);
  PatchMask mask = draw_mask({0, 1, 2, 3, 4, 5}, 16, 4, 1, 16, 0);
  backward(patch_loss(model(x, mask), x, 4, mask));
  for (auto& s : parameters.segments()) {
    const float* g = ptr<float>(s.tensor->node->grad);
    double sum = 0;
    for (int64_t i = 0; i < s.size; ++i) sum += std::abs(double(g[i]));
    CHECK_MESSAGE((std::isfinite(sum) && sum > 0), s.name << ": |gradient| adds up to " << sum);
  }
}

TEST_CASE("models: positions") {
  // Of column 2 and row 1 in a grid of 3: sin, cos of the column, sin, cos of the row; a class
  // token's are zero.
  Tensor pos = sincos_positions(3, 3, 8, 1);
  const float* p = ptr<float>(pos) + (1 + 1 * 3 + 2) * 8;
  for (int i = 0; i < 2; ++i) {
    const double omega = i == 0 ? 1 : 0.01;
    CHECK(p[i] == doctest::Approx(std::sin(2 * omega)));
    CHECK(p[2 + i] == doctest::Approx(std::cos(2 * omega)));
    CHECK(p[4 + i] == doctest::Approx(std::sin(omega)));
    CHECK(p[6 + i] == doctest::Approx(std::cos(omega)));
  }
  for (int i = 0; i < 8; ++i) CHECK(ptr<float>(pos)[i] == 0);
  // The same grid: the same numbers. Another: PyTorch's bicubic weights for a ramp, and the class
  // token as it was.
  Tensor same = interpolated_positions(pos, 10);
  for (int64_t i = 0; i < pos.size(); ++i)
    CHECK(ptr<float>(same)[i] == doctest::Approx(ptr<float>(pos)[i]));
  Tensor ramp = empty({1, 5, 1});
  for (int i = 0; i < 5; ++i) ptr<float>(ramp)[i] = float(i == 0 ? 9 : i - 1);
  Tensor wide = interpolated_positions(ramp, 17);
  CHECK(ptr<float>(wide)[0] == 9);
  // torch.nn.functional.interpolate([[0, 1], [2, 3]], size=4, mode="bicubic")
  const double expected[] = {-0.3164, 0.0156, 0.5625, 0.8945};
  for (int i = 0; i < 4; ++i)
    CHECK(ptr<float>(wide)[1 + i] == doctest::Approx(expected[i]).epsilon(1e-2));
}

TEST_CASE("models: the loss on eight images falls to a half in eighty steps") {
  for (auto& options : networks()) {
    CAPTURE(options.name);
    Rng rng(4);
    Classifier model(sized(options, 16), 4, rng);
    Parameters parameters(model);
    Optimizer optimizer(parameters, {.rule = Rule::adamw});
    Tensor x = random_images(8, 16, rng), labels = labels_of(8, 4);
    for (int64_t i = 0; i < x.size(); i += 3) {  // each image has a colour of its own
      int64_t image = i / (16 * 16 * 3);
      ptr<float>(x)[i] += float(image % 4 - 1), ptr<float>(x)[i + 1] += float(image / 4);
    }
    double first = 0, last = 0;
    for (int step = 0; step < 80; ++step) {
      Tensor loss = cross_entropy(model(x), labels);
      (step == 0 ? first : last) = *ptr<float>(loss);
      backward(loss);
      optimizer.update(1e-3);  // at 3e-3 ResNet-26's loss jumps, in any rounding
    }
    CHECK(last < first / 2);
  }
}

TEST_CASE("models: a training step gives the same bytes with 1, 2 and 3 threads") {
  int before = thread_count();
  for (std::string name : {"resnet18", "resnet50", "resnet26", "nin3", "vit_tiny"}) {
    std::vector<std::string> results;
    for (int threads : {1, 2, 3}) {
      set_thread_count(threads);
      Rng rng(5);
      Classifier model(narrow(name), 10, rng);
      Parameters parameters(model);
      Optimizer optimizer(parameters, {.weight_decay = 1e-4f});
      Tensor x = random_images(6, 32, rng), labels = labels_of(6, 10);
      std::string bytes;
      for (int step = 0; step < 2; ++step) {
        Tensor loss = cross_entropy(model(x), labels);
        bytes.append(static_cast<char*>(loss.data()), loss.bytes());
        backward(loss);
        optimizer.update(0.1);
      }
      for (auto& found : named_tensors(model))
        bytes.append(static_cast<char*>(found.tensor->data()), found.tensor->bytes());
      results.push_back(std::move(bytes));
    }
    CHECK_MESSAGE((results[1] == results[0] && results[2] == results[0]), name);
  }
  set_thread_count(before);
}

// Whole networks in f64: the derivative along a random direction through all parameters at once,
// by central differences, is the gradient's inner product with it. The difference errs by about
// h^2 f''' / 6 + 2^-53 f / h; ReLU and max-pool add a kink where one lies within h of its input.
TEST_CASE("models: the gradient of a whole network is its loss's derivative") {
  for (auto& options : networks()) {
    if (options.width > 12) continue;
    CAPTURE(options.name);
    Rng rng(6);
    Classifier model(sized(options, 16), 4, rng);
    for (auto& [name, tensor, role] : named_tensors(model))
      if (role == Role::buffer && tensor->dtype == Dtype::f32) *tensor = cast(*tensor, Dtype::f64);
    Parameters parameters(model, Dtype::f64);
    Tensor x = cast(random_images(3, 16, rng), Dtype::f64), labels = labels_of(3, 4);
    backward(cross_entropy(model(x), labels));
    Tensor direction = empty({int(parameters.size())});
    fill_normal(direction, 0, 1, rng);
    double* w = ptr<double>(parameters.value);
    const double* g = ptr<double>(parameters.grad);
    const float* d = ptr<float>(direction);
    double expected = 0;
    for (auto& s : parameters.segments())
      for (int64_t i = s.begin; i < s.begin + s.size; ++i) expected += g[i] * d[i];
    Frozen frozen(parameters);
    auto loss_at = [&](double h) {
      for (int64_t i = 0; i < parameters.size(); ++i) w[i] += h * d[i];
      double loss = *ptr<double>(cross_entropy(model(x), labels));
      for (int64_t i = 0; i < parameters.size(); ++i) w[i] -= h * d[i];
      return loss;
    };
    double best = INFINITY;  // over step sizes: a smaller one steps over fewer kinks
    for (double h : {1e-6, 1e-7, 1e-8})
      best = std::min(best, std::abs((loss_at(h) - loss_at(-h)) / (2 * h) - expected));
    CHECK(best <= 1e-6 * std::max(1.0, std::abs(expected)));
  }
}
