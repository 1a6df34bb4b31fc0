// What is judged, from a checkpoint: the pictures it is tested on are none it learned from with
// labels, damaged and unlabelled ones do not count, and fine-tuning sees what the probe sees.
#include <doctest/doctest.h>
#include <algorithm>
#include <filesystem>
#include <set>
#include "engine/check.h"
#include "tests/temporary_folder.h"
#include "tests/train/image_corpus.h"
#include "train/data/export.h"
#include "train/data/readable.h"
#include "train/evaluate/few_labels.h"
#include "train/evaluate/subject.h"

using namespace autodidact;
namespace fs = std::filesystem;

namespace {

// Class 0 is red, class 1 blue; the first `unlabelled` have no label.
DatasetPtr colours(int n, int side, uint64_t seed, int unlabelled = 0) {
  Samples s;
  s.side = side, s.classes = {"0", "1"};
  Rng rng(seed, Stream::evaluate);
  for (int i = 0; i < n; ++i) {
    s.labels.push_back(i < unlabelled ? -1 : i % 2);
    for (int p = 0; p < side * side * 3; ++p)
      s.images.push_back(uint8_t((p % 3 == 2 * (i % 2) ? 100 : 0) + rng.below(100)));
  }
  return from_memory(s, "colours");
}

// As arrays: a source without a test split.
std::string arrays(const TemporaryFolder& folder, const std::string& name, const DatasetPtr& data) {
  const std::string source = folder / (name + ".npy") + "," + folder / (name + "-labels.npy");
  export_dataset(source, *data, 0, false);
  return source;
}

Recipe tiny(const std::string& data) {
  Recipe r;
  for (const char* setting : {"model=resnet26", "width=8", "groups=4", "batch_size=16", "epochs=1",
                              "crop_padding=0", "checkpoint_every=0"})
    r.set(std::string(setting));
  r.set("data", data);
  return r;
}

std::string trained(const TemporaryFolder& folder, const std::string& method,
                    const std::string& data) {
  Progress quiet(Loudness::quiet);
  RunRequest request;
  request.method = method, request.recipe = tiny(data), request.out = folder / method;
  train_run(request, quiet);
  return request.out;
}

std::string init_of(const std::string& run) {
  const Recipe recipe(run + "/config.toml");
  return std::get<std::string>(*recipe.find("init"));
}

std::string error_of(ErrorKind kind, auto&& call) {
  try {
    call();
  } catch (const Error& e) {
    CHECK(e.kind == kind);
    return e.what();
  }
  return "no error";
}

bool holds(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  bool found = text.find(part) != text.npos;
  CHECK(found);
  return found;
}

}  // namespace

TEST_CASE("what a network is tested on") {
  TemporaryFolder folder;
  const std::string data = arrays(folder, "x", colours(40, 8, 1));
  const std::string other = arrays(folder, "other", colours(20, 8, 2));
  const std::string rotation = trained(folder, "rotation", data);
  const std::string supervised = trained(folder, "supervised", data);

  OpenedSubject o = open_subject({.checkpoint = rotation});
  CHECK(o.train->size() == 32);
  CHECK(o.test->size() == 8);
  holds(o.notes, "has no test split: one fifth of it");
  // A network that had the labels is not tested on them.
  holds(error_of(ErrorKind::data, [&] { open_subject({.checkpoint = supervised}); }),
        "with --test");
  CHECK(open_subject({.checkpoint = supervised, .untrained = true}).test->size() == 8);
  o = open_subject({.checkpoint = supervised, .test = other});
  CHECK(o.train->size() == 40);
  CHECK(o.test->size() == 20);
  CHECK(o.notes.empty());

  for (const std::string& test : {data, data + ":train"})
    holds(error_of(ErrorKind::usage, [&] { open_subject({.checkpoint = rotation, .test = test}); }),
          "must name other pictures than those trained on");
  for (const char* source : {"world:test", "world:val"})
    holds(
        error_of(ErrorKind::usage, [&] { open_subject({.checkpoint = rotation, .data = source}); }),
        "names the split");
}

TEST_CASE("pictures without a label do not count, in judging and in training") {
  TemporaryFolder folder;
  const std::string data = arrays(folder, "x", colours(40, 8, 1, 7));
  const std::string test = arrays(folder, "test", colours(30, 8, 2, 10));
  const std::string none = arrays(folder, "none", colours(30, 8, 3, 29));
  OpenedSubject o = open_subject({.checkpoint = trained(folder, "rotation", data), .test = test});
  CHECK(o.train->size() == 33);
  CHECK(o.test->size() == 20);
  holds(o.notes, "7 samples of ");
  holds(o.notes, "10 samples of ");

  // A single labelled picture: the others are in no batch, and not wrong.
  Progress quiet(Loudness::quiet);
  RunRequest request;
  request.method = "supervised", request.recipe = tiny(none), request.out = folder / "one";
  request.recipe.set("batch_size", int64_t(1));
  RunResult run = train_run(request, quiet);
  for (auto& [name, value] : run.loop.last)
    if (name == "accuracy") CHECK((value == 0 || value == 1));
  request.out = folder / "nothing";
  request.data = {colours(20, 8, 4, 20), nullptr, 8, {}};
  holds(error_of(ErrorKind::data, [&] { train_run(request, quiet); }),
        "none of the samples has a label");
}

TEST_CASE("damaged pictures have no row in features, and the others keep theirs") {
  TestFolder f;
  for (uint32_t i = 0; i < 300; ++i) {
    const std::string name = std::string(i % 2 ? "b/" : "a/") + std::to_string(1000 + i) + ".png";
    f.add(name, i == 4 || i == 131 || i == 298 ? Encoded(3, 0) : make_png(test_picture(8, 8, i)));
  }
  Rng rng(1);
  auto encoder = make_encoder({.name = "resnet26", .width = 8, .groups = 4}, rng);
  set_training(*encoder, false);
  const Subject subject{"tiny", encoder.get(), {}, 8, Device::cpu, 0.01};
  DatasetPtr data = open_dataset(f.path());
  for (const DatasetPtr& d : {data, in_memory(data, 8)}) {
    Features features = features_of(subject, d, {kPooled}, {});
    CHECK(features.bad_files.size() == 3);
    DatasetPtr good = pictures_of(features, d);
    REQUIRE(good->size() == 297);
    std::vector<BadFile> bad;
    CHECK(readable_pictures(d, 0.01, bad)->manifest() == good->manifest());
    CHECK(bad.size() == 3);
    // In the order of their names: 4 is the third and passed over, 298 and 131 are not come to.
    bad.clear();
    const DatasetPtr first = first_readable(d, 8, 0.01, bad);
    REQUIRE(first->size() == 8);
    CHECK(first->name(1) == d->name(1));
    CHECK(first->name(2) == d->name(3));
    REQUIRE(bad.size() == 1);
    CHECK(bad[0].sample == 2);
    CHECK(first_readable(d, 1000, 0.01, bad)->size() == 297);
    holds(error_of(ErrorKind::data, [&] { first_readable(d, 8, 0.003, bad); }),
          "1 of 300 pictures");
    Subject strict = subject;
    strict.bad_cap = 0.005;
    holds(error_of(ErrorKind::data, [&] { features_of(strict, d, {kPooled}, {}); }),
          "more than the cap of 0.5 %");
    holds(error_of(ErrorKind::data, [&] { readable_pictures(d, 0.005, bad); }),
          "3 of 300 pictures");
    REQUIRE(features.blocks[0].x.shape[0] == 297);
    REQUIRE(features.labels.size() == 297);
    const int dims = features.blocks[0].x.shape[1];
    for (int64_t i = 0; i < 297; ++i) {
      CHECK(features.labels[size_t(i)] == good->label(i));
      CHECK((good->name(i)[0] == 'a') == (good->label(i) == 0));
    }
    for (int64_t i : {0, 1, 2, 3, 148, 296}) {  // around the gaps
      Features alone = features_of(subject, subset(good, {i}, "one"), {kPooled}, {});
      for (int c = 0; c < dims; ++c)
        CHECK(ptr<float>(alone.blocks[0].x)[c] ==
              doctest::Approx(ptr<float>(features.blocks[0].x)[i * dims + c]).epsilon(1e-4));
    }
  }
}

TEST_CASE("fine-tuning: the labelled pictures of the probe, the checkpoint's picture size") {
  TemporaryFolder folder;
  const std::string data = arrays(folder, "x", colours(40, 8, 1));
  const std::string run = trained(folder, "rotation", data);
  LoadedMethod pretrained = load_method(run);
  REQUIRE(pretrained.side == 8);
  // Larger than what the checkpoint was trained at.
  const FinetuneData pictures{"colours", colours(60, 12, 5), colours(30, 12, 6)};
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < 60; ++i) labels.push_back(pictures.train->label(i));
  const LabelledSets sets = labelled_sets(labels, {"0", "1"}, {.per_class = {2, 5}, .draws = 3});
  REQUIRE(sets.counts.size() == 2);
  for (const LabelledSets::Count& count : sets.counts) {
    REQUIRE(count.draws.size() == 3);
    for (const std::vector<int64_t>& draw : count.draws) {
      CHECK(std::set<int64_t>(draw.begin(), draw.end()).size() == size_t(2 * count.per_class));
      for (int64_t row : draw)
        CHECK(std::find(sets.held.begin(), sets.held.end(), row) == sets.held.end());
    }
  }

  FinetuneOptions options;
  options.images = 160, options.batch = 4, options.out = folder / "few";
  Finetune curve = finetune(pretrained, run, sets, pictures, options);
  REQUIRE(curve.points.size() == 2);
  CHECK(curve.signal == 0);
  CHECK(curve.points[1].per_class == 5);
  for (const FewLabelPoint& p : curve.points) CHECK((p.accuracy >= 0 && p.accuracy <= 1));
  CHECK(curve.points[1].accuracy > 0.8);  // the classes differ in colour
  holds(curve.protocol, "the first draw of labelled pictures");
  holds(curve.protocol, "tested on 30");
  LoadedMethod tuned = load_method(options.out + "/finetune-5");
  CHECK(tuned.side == 8);
  CHECK(init_of(options.out + "/finetune-5") == run);
  CHECK(tuned.keys.pictures ==
        "10 of 60, 5 a class, draw of seed 1, 6 held-out ones left out; tested on 30 of colours");
  CHECK(tuned.keys.labels_per_class == 0);
  holds(error_of(ErrorKind::usage, [&] { open_run_data(tuned.keys); }), "was given its pictures");
  // The manifest is that of the draw.
  std::ostringstream manifest;
  manifest << std::hex << subset(pictures.train, sets.counts[1].draws[0], "")->manifest();
  CHECK(tuned.checkpoint.facts.at("data") == manifest.str());

  options.from_scratch = true;
  CHECK(finetune(pretrained, run, sets, pictures, options).points.size() == 2);
  CHECK(init_of(options.out + "/scratch-2").empty());
  // What is there is not overwritten unasked.
  error_of(ErrorKind::usage, [&] { finetune(pretrained, run, sets, pictures, options); });
  options.existing = RunDirectory::Existing::overwrite;
  CHECK(finetune(pretrained, run, sets, pictures, options).points.size() == 2);

  FinetuneData untested = pictures;
  untested.test = nullptr;
  holds(error_of(ErrorKind::data, [&] { finetune(pretrained, run, sets, untested, options); }),
        "nothing to test on");
}
