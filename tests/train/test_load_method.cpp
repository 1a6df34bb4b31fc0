// A method from its checkpoint: what the facts may say, and what is a damaged checkpoint.
#include <doctest/doctest.h>
#include "tests/temporary_folder.h"
#include "train/run.h"

using namespace autodidact;

namespace {

const std::vector<std::string> kNames = {"two\nlines", "quote\"", "[\"x\"]", "ümlaut", ""};

std::string written(const TemporaryFolder& folder, const std::string& fact,
                    const std::string& value) {
  Recipe recipe = Recipe::parse("model = \"resnet26\"\nwidth = 4\ngroups = 2\nseed = 7\n", "test");
  RunKeys keys;
  recipe.read(keys);
  auto method = make_method("supervised", recipe, {16, kNames, 7}, Dtype::f32);
  Checkpoint c;
  store(c.file, stored_tensors(named_tensors(*method)));
  c.facts = {{"method", "supervised"},
             {"recipe", recipe.resolved()},
             {"outputs", outputs_fact(kNames)},
             {"side", "16"}};
  if (!fact.empty()) c.facts[fact] = value;
  write_checkpoint(folder / "c.safetensors", c);
  return folder / "c.safetensors";
}

}  // namespace

TEST_CASE("load_method: names of classes may hold anything, and the seed is the run's") {
  TemporaryFolder folder;
  LoadedMethod loaded = load_method(written(folder, "", ""));
  CHECK(loaded.method->outputs() == kNames);
  CHECK((loaded.side == 16 && loaded.seed == 7 && loaded.name == "supervised"));
  // As it was before training, or would have been with another seed.
  const LoadedMethod initial = load_untrained(written(folder, "", ""));
  const LoadedMethod other = load_untrained(written(folder, "", ""), 8);
  CHECK((initial.seed == 7 && other.seed == 8 && initial.untrained && !loaded.untrained));
  auto first = [](const LoadedMethod& m) {
    return ptr<float>(*named_tensors(*m.method).front().tensor)[0];
  };
  CHECK(first(initial) == first(loaded));  // written without a step
  CHECK(first(initial) != first(other));
  // What is not UTF-8 cannot stand in a header.
  CHECK(outputs_fact({"a\xff"}) == "[\"a\xef\xbf\xbd\"]");
  // The first checkpoints had a line a name.
  CHECK(load_method(written(folder, "outputs", "a\nb\nc\nd\ne")).method->outputs() ==
        std::vector<std::string>{"a", "b", "c", "d", "e"});
}

TEST_CASE("load_method: facts that cannot be are a damaged checkpoint") {
  TemporaryFolder folder;
  for (auto [name, text] : {std::pair("side", "x"),
                            {"side", ""},
                            {"side", "16px"},
                            {"side", "99999999999999999999"},
                            {"side", "-3"},
                            {"recipe", "model = ["},
                            {"recipe", "[table]\nmodel = \"resnet26\""},
                            {"recipe", "model = \"resnet27\""},
                            {"recipe", "width = -1"},
                            {"method", "nothing"},
                            {"outputs", "[\"fewer\"]"}}) {
    const char *fact = name, *value = text;  // Clang 14 captures no structured binding
    CAPTURE(fact);
    CAPTURE(value);
    std::string path = written(folder, fact, value);
    try {
      load_method(path);
      FAIL("was loaded");
    } catch (const Error& e) {
      CHECK(e.kind == ErrorKind::checkpoint);
      CHECK(std::string(e.what()).find(path) != std::string::npos);
    }
  }
}
