// What is trained on and what is tested on: never the same pictures, and where there is nothing to
// test on it is said.
#include <doctest/doctest.h>
#include <filesystem>
#include "engine/check.h"
#include "tests/train/image_corpus.h"
#include "train/data/splits.h"
#include "train/run.h"

using namespace autodidact;

namespace {

Encoded picture(uint32_t seed) { return make_png(test_picture(8, 8, seed)); }

void add(const TestFolder& f, std::initializer_list<const char*> names) {
  uint32_t seed = 1;
  for (const char* name : names) f.add(name, picture(seed++));
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

bool says(const std::string& message, const std::string& part) {
  CAPTURE(message);
  CAPTURE(part);
  bool found = message.find(part) != message.npos;
  CHECK(found);
  return found;
}

}  // namespace

TEST_CASE("a source that names a split is taken apart") {
  TestFolder f;
  add(f, {"train/a/1.png", "val/a/2.png"});
  CHECK(named_split("world:test2").source == "world");
  CHECK(named_split("world:test2").split == "test2");
  CHECK(named_split("cifar10:dir:train").source == "cifar10:dir");
  CHECK(named_split(f.path() + ":val").source == f.path());
  CHECK(named_split(f.path()).split.empty());
  CHECK(has_split(f.path() + "/train", ""));
  CHECK_FALSE(has_split(f.path(), ""));
}

TEST_CASE("a training source names its training split or none") {
  TestFolder f;
  add(f, {"train/a/1.png", "train/a/2.png", "val/a/3.png", "test/a/4.png"});
  for (const std::string& source : {f.path() + ":test", f.path() + ":val",
                                    std::string("world:test"), std::string("world:test2")})
    says(error_of(ErrorKind::usage, [&] { open_training_split(source, {}); }), "names the split");
  says(error_of(ErrorKind::usage, [&] { open_run_data({.data = "world:test"}); }), "give world");

  CHECK(open_training_split(f.path(), {})->size() == 2);
  CHECK(open_training_split(f.path() + ":train", {})->size() == 2);
  std::string notes;
  for (const std::string& source : {f.path(), f.path() + ":train"})
    CHECK(open_test_split(source, {}, notes)->name(0) == "a/4.png");
  CHECK(notes.empty());
}

TEST_CASE("val is tested on where there is no test split, and it is said") {
  TestFolder f;
  add(f, {"train/a/1.png", "val/a/2.png"});
  std::string notes;
  CHECK(open_test_split(f.path(), {}, notes)->name(0) == "a/2.png");
  says(notes, "has no test split: its split val is tested on");
  RunData data = open_run_data({.data = f.path(), .image_size = 8});
  CHECK(data.test->name(0) == "a/2.png");
  says(data.notes, "its split val is tested on");

  TestFolder one;
  add(one, {"a/1.png", "b/2.png"});
  CHECK(open_test_split(one.path(), {}, notes) == nullptr);
  data = open_run_data({.data = one.path(), .image_size = 8});
  CHECK(data.test == nullptr);
  says(data.notes, "no test split: no accuracy on unseen pictures will be measured");
}

TEST_CASE("test pictures may be a split, or all of a source that is not divided") {
  TestFolder f;
  add(f, {"train/a/1.png", "val/a/2.png", "val/a/3.png"});
  std::string notes;
  CHECK(open_test_pictures(f.path() + ":train", {}, notes)->size() == 1);
  CHECK(open_test_pictures(f.path() + "/val", {}, notes)->size() == 2);
  CHECK(notes.empty());
  CHECK(open_test_pictures(f.path(), {}, notes)->size() == 2);
  says(notes, "its split val is tested on");
  std::filesystem::remove_all(f.path() + "/val");
  says(error_of(ErrorKind::data, [&] { open_test_pictures(f.path(), {}, notes); }),
       "has no split 'test', found the sub-folders train");
}

TEST_CASE("a class called like a split does not hide the others") {
  TestFolder f;
  add(f, {"train/1.png", "ship/2.png"});
  for (const char* source : {"", ":train", ":test"})
    says(error_of(ErrorKind::data, [&] { open_dataset(f.path() + source); }),
         "its sub-folder 'train' may be a split or a class beside 'ship'");
  error_of(ErrorKind::data, [&] { has_split(f.path(), "train"); });
  CHECK(open_dataset(f.path() + "/train")->size() == 1);
  // A folder without pictures is neither.
  TestFolder empty;
  add(empty, {"cat/1.png", "dog/2.png"});
  empty.add("test/notes.txt", picture(1));
  CHECK(open_dataset(empty.path())->classes() == std::vector<std::string>{"cat", "dog"});
}

TEST_CASE("samples without a label are left out of what needs labels") {
  Samples s{1, std::vector<uint8_t>(15, 0), {0, -1, 1, -1, 0}, {"a", "b"}};
  std::string notes;
  DatasetPtr some = labelled(from_memory(s, "pictures"), notes);
  CHECK(some->size() == 3);
  CHECK(some->label(1) == 1);
  CHECK(notes == "2 samples of pictures have no label and are left out\n");
  notes.clear();
  CHECK(labelled(some, notes) == some);
  CHECK(notes.empty());
  s.labels.assign(5, -1);
  says(error_of(ErrorKind::data, [&] { labelled(from_memory(s, "pictures"), notes); }),
       "none of the samples has a label");
}
