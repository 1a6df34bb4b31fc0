// Frozen features and the protocols on a data set: what is gathered, that the test split chooses
// nothing, that an untrained network's BatchNorm knows its data, and the files of `embed`.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include "engine/safetensors.h"
#include "train/data/npy.h"
#include "train/evaluate/feature_file.h"
#include "train/evaluate/few_labels.h"
#include "train/evaluate/probe.h"

using namespace autodidact;

namespace {

// Features that can be computed by hand: the pixels, and their means over 2 x 2.
struct Pixels : Encoder {
  std::vector<std::string> block_names() const override { return {"pixels", "halved"}; }
  Tensor block(int i, const Tensor& x) const override {
    return i == 0 ? x : avg_pool2d(x, 2, 2, 0);
  }
  int dim() const override { return 3; }
  void visit_block(int, Visitor&) override {}
};

// Class k is bright in quadrant k; noise on top. Some labels may be told wrong.
DatasetPtr quadrants(int n, uint64_t seed, int wrong_by = 0) {
  Samples s;
  s.side = 4, s.classes = {"a", "b", "c", "d"};
  Rng rng(seed, Stream::evaluate);
  for (int i = 0; i < n; ++i) {
    const int k = i % 4;
    s.labels.push_back((k + wrong_by) % 4);
    for (int y = 0; y < 4; ++y)
      for (int x = 0; x < 4; ++x)
        for (int c = 0; c < 3; ++c)
          s.images.push_back(uint8_t((y / 2 * 2 + x / 2 == k ? 90 : 60) + rng.below(100)));
  }
  return from_memory(s, "quadrants");
}

Subject pixels_subject(const Pixels& encoder) {
  return {"pixels", &encoder, {}, 4, Device::cpu, 0.01};
}

std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("features are the blocks' outputs in the order of the data") {
  Pixels encoder;
  DatasetPtr data = quadrants(300, 1);  // more than two batches, the last one not full
  Features f = features_of(pixels_subject(encoder), data, {kPooled, "pixels", "halved"}, {});
  REQUIRE(f.blocks.size() == 3);
  CHECK(f.blocks[0].x.shape == Shape{300, 3});
  CHECK(f.blocks[1].x.shape == Shape{300, 48});
  CHECK(f.blocks[2].x.shape == Shape{300, 12});
  CHECK(f.blocks[2].grid == 2);
  for (int i : {0, 127, 128, 299}) {
    CHECK(f.labels[size_t(i)] == i % 4);
    for (int c = 0; c < 48; ++c) {
      float v = (float(data->pixels(i)[c]) / 255 - 0.5f) / 0.5f;
      CHECK(ptr<float>(f.blocks[1].x)[i * 48 + c] == doctest::Approx(v).epsilon(1e-6));
    }
    double mean = 0;
    for (int p = 0; p < 16; ++p) mean += (data->pixels(i)[p * 3 + 1] / 127.5 - 1) / 16;
    CHECK(ptr<float>(f.blocks[0].x)[i * 3 + 1] == doctest::Approx(mean).epsilon(1e-5));
  }
  CHECK_THROWS_WITH(
      features_of(pixels_subject(encoder), data, {"layer9"}, {}),
      "features: a block of this network is one of pixels halved features, got layer9");
}

TEST_CASE("the linear probe's rate and block do not depend on the test split") {
  Pixels encoder;
  ProbeOptions options;
  options.linear.epochs = 5, options.linear.least_steps = 0;
  options.linear.rates = {0.1, 0.001, 0.00001};
  DatasetPtr train = quadrants(1000, 2);
  Probe right = linear_probe(pixels_subject(encoder), train, quadrants(400, 3), options);
  Probe wrong = linear_probe(pixels_subject(encoder), train, quadrants(400, 3, 1), options);
  CHECK(right.held_out == 100);
  CHECK(right.trained_on == 900);
  CHECK(right.best == wrong.best);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(right.rows[i].rate == wrong.rows[i].rate);
    CHECK(right.rows[i].held_out == wrong.rows[i].held_out);
  }
  CHECK(right.chosen().test > 0.9);
  CHECK(wrong.chosen().test < 0.1);  // each test label is another class
  CHECK(right.protocol.find("held-out training pictures") != std::string::npos);
}

TEST_CASE("kNN on a data set, and its refusals") {
  Pixels encoder;
  DatasetPtr train = quadrants(400, 4), test = quadrants(100, 5);
  KnnOptions options;
  options.k = 20;
  SplitFeatures f = features_of(pixels_subject(encoder), train, test, {"halved"}, {});
  KnnResult r = knn_probe(f, "halved", 4, options);
  CHECK(r.accuracy > 0.9);
  CHECK(r.protocol.find("k 20, temperature 0.1; block halved") != std::string::npos);
  options.k = 401;
  CHECK_THROWS_WITH(knn_probe(f, "halved", 4, options),
                    "knn: k must be at most the 400 training pictures, got 401");
}

TEST_CASE("the few-label probe gains from labels and refuses what a class cannot give") {
  Pixels encoder;
  FewLabelProbeOptions options;
  options.block = "halved", options.linear.least_steps = 100;
  SplitFeatures f =
      features_of(pixels_subject(encoder), quadrants(1000, 6), quadrants(400, 7), {"halved"}, {});
  const LabelledSets sets =
      labelled_sets(f.train.labels, {"a", "b", "c", "d"}, {.per_class = {1, 50}, .draws = 4});
  FewLabelProbe p = few_label_probe(f, 4, sets, options);
  REQUIRE(p.points.size() == 2);
  CHECK(p.points[0].per_class == 1);
  CHECK(p.points[1].accuracy > p.points[0].accuracy);
  CHECK(p.points[0].spread > 0);
  // Ten rows, one of them held out: of class b there is one.
  CHECK_THROWS_WITH_AS(
      labelled_sets({0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, {"a", "b"}, {.per_class = {1, 3}, .seed = 5}),
      doctest::Contains("class 'b' has"), Error);
}

TEST_CASE("an untrained network's BatchNorm statistics are those of training data") {
  Rng rng(1);
  auto encoder = make_encoder({.name = "resnet26", .groups = 0}, rng);
  auto first = [&](const char* name) {
    for (NamedTensor& t : named_tensors(*encoder))
      if (t.name == name) return ptr<float>(*t.tensor)[0];
    FAIL("no tensor ", name);
    return 0.0f;
  };
  CHECK(first("layer1.0.bn1.running_mean") == 0);
  Samples s;
  s.side = 8, s.classes = {"grey"}, s.labels.assign(4, 0);
  s.images.assign(4 * 8 * 8 * 3, 200);
  DatasetPtr data = from_memory(s, "grey");
  const Subject subject{"untrained", encoder.get(), {}, 8, Device::cpu, 0.01};
  REQUIRE(estimate_batch_statistics(*encoder, subject, data, 1));
  // The input of layer1.0.bn1 is conv1 of the pictures; 0.9^64 of the initial 0 remains.
  Tensor x = encoder->block(0, normalize(data->pixels(0), 1, 8, {}, Dtype::f32));
  double mean = 0;
  for (int p = 0; p < 64; ++p) mean += ptr<float>(x)[p * 16] / 64.0;
  CHECK(first("layer1.0.bn1.running_mean") ==
        doctest::Approx(mean * (1 - std::pow(0.9, 64))).epsilon(1e-4));
  auto without = make_encoder({.name = "resnet26"}, rng);
  CHECK_FALSE(estimate_batch_statistics(*without, subject, data, 1));
}

TEST_CASE("features go to .npy, .csv and .safetensors and come back") {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / "autodidact_feature_files";
  fs::remove_all(folder);
  fs::create_directories(folder);
  Pixels encoder;
  DatasetPtr data = quadrants(5, 8);
  Features f = features_of(pixels_subject(encoder), data, {kPooled}, {});
  for (const char* ending : {"npy", "csv", "safetensors"})
    write_features((folder / "f.").string() + ending, f, *data, pixels_subject(encoder));
  Npy npy = read_npy((folder / "f.npy").string());
  CHECK(npy.dtype == "<f4");
  CHECK(npy.shape == std::vector<int64_t>{5, 3});
  CHECK(std::equal(npy.bytes.begin(), npy.bytes.end(),
                   static_cast<const uint8_t*>(f.blocks[0].x.data())));
  TensorFile file = read_safetensors((folder / "f.safetensors").string());
  CHECK(ptr<int32_t>(file.tensors.at("labels"))[3] == 3);
  CHECK(ptr<float>(file.tensors.at("features"))[14] == ptr<float>(f.blocks[0].x)[14]);
  CHECK(file.metadata.at("classes") == "[\"a\",\"b\",\"c\",\"d\"]");
  std::istringstream csv(text_of((folder / "f.csv").string()));
  std::string line;
  std::getline(csv, line);
  CHECK(line == "name,class,f0,f1,f2");
  std::getline(csv, line);
  CHECK(line.find(",\"a\",") != std::string::npos);
  CHECK(std::stof(line.substr(line.rfind(',') + 1)) == ptr<float>(f.blocks[0].x)[2]);
  CHECK_THROWS_WITH(check_feature_file("x.txt"),
                    "embed: the file must end in .npy, .csv or .safetensors, got x.txt");
  fs::remove_all(folder);
}
