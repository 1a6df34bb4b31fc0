// Checkpoints: what is saved comes back, what is damaged is found, what was there survives.
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <limits>
#include "engine/durable_file.h"
#include "engine/random.h"
#include "tests/temporary_folder.h"
#include "train/checkpoint.h"

using namespace autodidact;
namespace fs = std::filesystem;

namespace {

Tensor random(const Shape& shape, uint64_t seed) {
  Tensor t = empty(shape);
  Rng rng(seed);
  fill_normal(t, 0, 1, rng);
  return t;
}

struct Net {
  Tensor conv = random({4, 3, 3, 2}, 1), bias = random({4}, 2);
  Tensor seen = full({}, 7, Dtype::i64);
  void visit(Visitor& v) {
    v("conv.weight", conv, Role::conv_weight);
    v("conv.bias", bias, Role::scalar);
    v("bn.num_batches_tracked", seen, Role::buffer);
  }
};

Checkpoint checkpoint_of(Net& net, int64_t step) {
  Checkpoint c;
  store(c.file, stored_tensors(named_tensors(net)));
  c.step = step, c.epoch = 2, c.batch = 3, c.metrics_lines = 4;
  c.facts = {{"method", "rotation"}, {"recipe", "epochs = 10\nmodel = \"nin\"\n"}};
  return c;
}

void overwrite(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// "" if the file is taken, otherwise the message; any other kind of error escapes.
template <class Take>
std::string why_refused(const std::string& path, const Take& take) {
  try {
    take(path);
  } catch (const Error& e) {
    if (e.kind != ErrorKind::checkpoint && e.kind != ErrorKind::usage) throw;
    return e.what();
  }
  return "";
}
std::string why_refused(const std::string& path) { return why_refused(path, read_checkpoint); }

// Nor may the check that holds nothing in memory take it.
bool damage_is_missed(const std::string& path) {
  const std::string why = why_refused(path);
  return why.empty() || why_refused(path, verify_checkpoint) != why;
}

}  // namespace

TEST_CASE("checkpoint: position, facts, tensors and optimizer state come back") {
  TemporaryFolder folder;
  Net net;
  Parameters parameters(net);
  Optimizer optimizer(parameters, {.rule = Rule::adamw});
  fill(parameters.grad, 0.25), parameters.finish_grad();
  optimizer.update(0.1), optimizer.update(0.1);
  Checkpoint c = checkpoint_of(net, 2);
  store_optimizer(c.file, parameters, optimizer);
  write_checkpoint(folder / "a", c);

  Checkpoint back = read_checkpoint(folder / "a");
  CHECK((back.step == 2 && back.epoch == 2 && back.batch == 3 && back.metrics_lines == 4));
  CHECK(back.facts == c.facts);
  CHECK(back.file.tensors.size() == c.file.tensors.size());
  CHECK(back.file.metadata == std::map<std::string, std::string>{{"format", "pt"}});
  CHECK(back.file.tensors.count("optimizer.m.conv.weight") == 1);

  Net other;
  fill(other.conv, 0), fill(other.bias, 0);
  Parameters others(other);
  Optimizer restored(others, {.rule = Rule::adamw});
  load_strict(other, back.file, {"", {}, {"optimizer"}}, "a", &others);
  load_optimizer(back.file, others, restored, "a");
  CHECK(restored.step() == 2);
  Checkpoint again = checkpoint_of(other, 2);
  store_optimizer(again.file, others, restored);
  write_checkpoint(folder / "b", again);
  CHECK(read_text(folder / "a") == read_text(folder / "b"));
}

TEST_CASE(
    "checkpoint: every flipped byte of the header and 10,000 flipped bits of the data are found") {
  TemporaryFolder folder;
  Net net;
  net.conv = random({16, 3, 3, 8}, 1);
  write_checkpoint(folder / "a", checkpoint_of(net, 1));
  const std::string whole = read_text(folder / "a");
  size_t header = read_safetensors(folder / "a").header.size();
  REQUIRE(why_refused(folder / "a") == "");
  std::fstream file(folder / "a", std::ios::binary | std::ios::in | std::ios::out);
  size_t missed = 0, tried = 0;
  auto put = [&](size_t at, char c) {
    file.seekp(std::streamoff(at));
    file.put(c).flush();
  };
  auto try_flip = [&](size_t at, int mask) {
    put(at, char(whole[at] ^ mask));
    missed += damage_is_missed(folder / "a"), ++tried;
    put(at, whole[at]);
  };
  for (size_t i = 0; i < header; ++i) {
    try_flip(i, 1 << (i % 8));
    try_flip(i, 0xff);
    try_flip(i, 0x20);  // upper and lower case: the likeliest to be taken for the same
  }
  Rng rng(3);
  for (int i = 0; i < 10000; ++i) {
    uint32_t bit = rng.below(uint32_t(whole.size() - header) * 8);
    try_flip(header + bit / 8, 1 << (bit % 8));
  }
  CHECK(tried == 3 * header + 10000);
  CHECK(why_refused(folder / "a") == "");
  CHECK(why_refused(folder / "a", verify_checkpoint) == "");
  CHECK(missed == 0);
}

TEST_CASE("checkpoint: damage names the tensor, and every cut is found") {
  TemporaryFolder folder;
  Net net;
  write_checkpoint(folder / "a", checkpoint_of(net, 1));
  const std::string whole = read_text(folder / "a");
  std::string damaged = whole;
  damaged.back() = char(damaged.back() ^ 1);
  overwrite(folder / "b", damaged);
  CHECK(why_refused(folder / "b") ==
        folder / "b" + ": is damaged: conv.weight does not have its checksum");
  size_t missed = 0;
  for (size_t n = whole.size(); n-- > 0;) {
    fs::resize_file(folder / "a", n);
    missed += damage_is_missed(folder / "a");
  }
  CHECK(missed == 0);
}

TEST_CASE(
    "checkpoint: weights of others are read without checksums, but are no training checkpoint") {
  TemporaryFolder folder;
  Net net;
  TensorFile file;
  store(file, stored_tensors(named_tensors(net)));
  write_safetensors(folder / "a", file);
  CHECK(read_weights(folder / "a").tensors.size() == 3);
  CHECK(why_refused(folder / "a").find("is not a training checkpoint: no step") !=
        std::string::npos);
}

TEST_CASE("checkpoint: a value that is not finite is never written over a good one") {
  TemporaryFolder folder;
  Net net;
  write_checkpoint(folder / "a", checkpoint_of(net, 1));
  std::string before = read_text(folder / "a");
  for (double bad :
       {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
    fill(net.bias, bad);
    try {
      write_checkpoint(folder / "a", checkpoint_of(net, 2));
      FAIL("was written");
    } catch (const Error& e) {
      CHECK(e.kind == ErrorKind::numerical);
      CHECK(std::string(e.what()).find("conv.bias is not finite at element 0") !=
            std::string::npos);
    }
  }
  CHECK(read_text(folder / "a") == before);
}

TEST_CASE("checkpoint folder: keeps the last two, and goes back past damaged files") {
  TemporaryFolder folder;
  CheckpointFolder checkpoints(folder / "checkpoints");
  Net net;
  std::vector<std::string> said;
  auto say = [&](const std::string& m) { said.push_back(m); };
  CHECK(!checkpoints.load_last(say));
  for (int64_t step : {1, 2, 3, 4, 5}) checkpoints.save(checkpoint_of(net, step));
  CHECK(checkpoints.names() ==
        std::vector<std::string>{"step-00000004.safetensors", "step-00000005.safetensors"});
  CHECK(read_text(folder / "checkpoints/last") == "step-00000005.safetensors\n");
  for (const char* named : {"", "checkpoints", "checkpoints/step-00000005.safetensors"})
    CHECK(fs::equivalent(find_checkpoint(folder / named),
                         folder / "checkpoints/step-00000005.safetensors"));
  CHECK(checkpoints.load_last(say)->step == 5);
  CHECK(said.empty());

  overwrite(folder / "checkpoints/step-00000005.safetensors", "torn");
  CHECK(checkpoints.load_last(say)->step == 4);
  REQUIRE(said.size() == 1);
  CHECK(said[0].find("step-00000005.safetensors: too short") != std::string::npos);
  CHECK(said[0].find("going back to step-00000004.safetensors") != std::string::npos);

  const std::string newest = folder / "checkpoints/step-00000005.safetensors",
                    sound = folder / "checkpoints/step-00000004.safetensors";
  for (const char* named : {"", "checkpoints"}) {
    said.clear();
    CHECK(fs::equivalent(find_sound_checkpoint(folder / named, say), sound));
    REQUIRE(said.size() == 1);
    CHECK(said[0].find("step-00000005.safetensors: too short") != std::string::npos);
  }
  said.clear();
  CHECK(find_sound_checkpoint(newest, say) == newest);  // named itself: its reader refuses it
  CHECK(said.empty());

  overwrite(folder / "checkpoints/step-00000004.safetensors", "");
  CHECK(fs::equivalent(find_sound_checkpoint(folder / "", say), newest));
  CHECK(said.empty());
  try {
    checkpoints.load_last(say);
    FAIL("loaded a damaged checkpoint");
  } catch (const Error& e) {
    CHECK(e.kind == ErrorKind::checkpoint);
    CHECK(std::string(e.what()).find("the older ones are damaged too") != std::string::npos);
  }
}

TEST_CASE("checkpoint folder: `last` is a name, never a path out of the folder") {
  TemporaryFolder folder;
  CheckpointFolder checkpoints(folder / "checkpoints");
  Net net;
  checkpoints.save(checkpoint_of(net, 1));
  overwrite(folder / "checkpoints/last", "../../step-00000001.safetensors\n");
  CHECK(find_checkpoint(folder.path.string()) == folder / "checkpoints/step-00000001.safetensors");
  fs::remove(folder / "checkpoints/step-00000001.safetensors");
  CHECK_THROWS_WITH_AS(find_checkpoint(folder.path.string()),
                       doctest::Contains("holds no checkpoint"), Error);
}
