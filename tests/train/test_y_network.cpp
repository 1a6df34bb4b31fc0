// The Y network: names, the copied branch, what each loss reaches, and one step of joint training.
#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <set>
#include "train/run.h"
#include "train/ttt.h"

using namespace autodidact;

namespace {

const EncoderOptions kSmall = {.name = "resnet26", .width = 8, .groups = 4};
const EncoderOptions kGroup = {.name = "resnet18", .width = 8, .norm = "group", .groups = 4};

Tensor random_images(int count, int side, Rng& rng) {
  Tensor x = empty({count, side, side, 3});
  fill_normal(x, 0, 1, rng);
  return x;
}
bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape == b.shape && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}
std::map<std::string, Tensor> by_name(YNetwork& network) {
  std::map<std::string, Tensor> found;
  for (auto& t : named_tensors(network)) found[t.name] = *t.tensor;
  return found;
}

}  // namespace

TEST_CASE("y network: the main path is the plain network, the branch begins as its copy") {
  for (const EncoderOptions& options : {kSmall, kGroup}) {
    CAPTURE(options.name);
    Rng rng(3), again(3);
    YNetwork y(options, "layer2", 10, 4, rng);
    Classifier plain(options, 10, again);
    auto tensors = by_name(y);
    size_t main = 0, copied = 0;
    for (auto& t : named_tensors(plain)) {
      REQUIRE(tensors.count(t.name));
      CHECK(same_bytes(tensors[t.name], *t.tensor));
      ++main;
      if (auto branch = tensors.find("head." + t.name); branch != tensors.end()) {
        if (t.name.rfind("fc.", 0) == 0) continue;  // a head of its own
        CHECK(same_bytes(branch->second, *t.tensor));
        CHECK(branch->second.data() != t.tensor->data());
        ++copied;
      }
    }
    CHECK(copied > 10);
    CHECK(tensors.size() == main + copied + 2);
    CHECK(tensors["head.fc.weight"].shape == Shape{4, y.encoder->dim()});
    CHECK(tensors.count("head.conv1.weight") == 0);
  }
}

TEST_CASE("y network: it splits after any block, and each loss reaches its own path alone") {
  Rng rng(4);
  const auto blocks = make_encoder(kSmall, rng)->block_names();
  for (const std::string& split : blocks) {
    CAPTURE(split);
    YNetwork y(kSmall, split, 10, 4, rng);
    Parameters parameters(y);
    const Tensor x = random_images(2, 16, rng);
    Tensor labels = tensor_of<int32_t>({2}, {1, 3});
    CHECK(y(x).shape == Shape{2, 10});
    std::set<std::string> shared;
    detail::Collect names;
    for (int i = 0; i < y.split; ++i) y.encoder->visit_block(i, names);
    for (auto& n : names.found) shared.insert(n.name);
    for (bool main : {true, false}) {
      fill(parameters.grad, 0);
      backward(cross_entropy(main ? y(x) : y.self_supervised(x), labels));
      parameters.finish_grad();
      for (auto& s : parameters.segments()) {
        double sum = 0;
        for (int64_t i = s.begin; i < s.begin + s.size; ++i)
          sum += std::abs(double(ptr<float>(parameters.grad)[i]));
        const bool branch = s.name.rfind("head.", 0) == 0;
        const bool reached = shared.count(s.name) || branch != main;
        CHECK_MESSAGE((sum > 0) == reached, s.name << " |gradient| " << sum);
      }
      parameters.zero_grad();
    }
  }
  CHECK_THROWS_WITH_AS(YNetwork(kSmall, "layer4", 10, 4, rng),
                       "split: one of stem, layer1, layer2, layer3 is a block of this network, got "
                       "layer4",
                       Error);
}

TEST_CASE("encoder: norm chooses, and groups without GroupNorm are refused") {
  Rng rng(1);
  auto names = [&](const EncoderOptions& o) {
    std::set<std::string> found;
    auto encoder = make_encoder(o, rng);
    for (auto& t : named_tensors(*encoder)) found.insert(t.name);
    return found;
  };
  CHECK(names({.name = "resnet18", .width = 8}).count("bn1.running_mean"));
  CHECK(!names(kGroup).count("bn1.running_mean"));
  CHECK(names(kGroup).count("layer2.0.downsample.1.weight"));
  CHECK(names({.name = "resnet26", .width = 8, .norm = "batch"}).count("bn.running_mean"));
  CHECK(!names(kSmall).count("bn.running_mean"));
  CHECK_THROWS_WITH_AS(names({.name = "resnet18", .groups = 4}),
                       "encoder: groups is for GroupNorm, resnet18 has BatchNorm", Error);
  CHECK_THROWS_WITH_AS(names({.name = "resnet18", .norm = "group", .groups = 0}),
                       "encoder: norm group needs groups above 0", Error);
  CHECK_THROWS_WITH_AS(names({.name = "nin3", .norm = "group"}),
                       "encoder: nin3 has BatchNorm alone, as the released code", Error);
}

TEST_CASE("ttt: the turned pictures are the upright ones' crops and flips") {
  DataFacts facts{16, {"a", "b"}, 5};
  Recipe recipe = Recipe::parse("model = \"resnet26\"\nwidth = 8\ngroups = 4\n", "test");
  auto method = make_method("ttt", recipe, facts, Dtype::f32);
  auto& joint = dynamic_cast<JointTraining&>(*method);
  Batch batch;
  batch.count = 3, batch.side = 16, batch.epoch = 2;
  for (int i = 0; i < 3 * 16 * 16 * 3; ++i) batch.images.push_back(uint8_t(i * 7 % 251));
  batch.labels = {0, 1, 0}, batch.samples = {4, 9, 11};
  Augmentation turning = joint.augmentation();
  turning.rotation = Rotation::random;
  const Tensor upright = augment(batch, joint.augmentation(), Dtype::f32).x;
  const NetworkInput turned = augment(batch, turning, Dtype::f32);
  const float *a = ptr<const float>(upright), *b = ptr<const float>(turned.x);
  for (int n = 0; n < 3; ++n)
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 16; ++j) {
        const Pixel from = before_turn(i, j, ptr<int32_t>(turned.turns)[n], 16);
        CHECK(b[((n * 16 + i) * 16 + j) * 3] == a[((n * 16 + from.row) * 16 + from.col) * 3]);
      }
  Metrics metrics;
  const Tensor loss = method->loss(batch, metrics);
  REQUIRE(metrics.size() == 4);
  CHECK(*ptr<float>(loss) == float(metrics[0].second) + float(metrics[2].second));
  CHECK(metrics[2].first == "rotation_loss");

  Recipe baseline =
      Recipe::parse("model = \"resnet26\"\nwidth = 8\ngroups = 4\nobjective = \"main\"\n", "test");
  auto main = make_method("ttt", baseline, facts, Dtype::f32);
  main->loss(batch, metrics);
  CHECK(metrics.size() == 2);
  CHECK(!dynamic_cast<JointTraining&>(*main).network().branch);
}
