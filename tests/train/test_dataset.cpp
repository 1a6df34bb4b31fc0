// Data sources: image folders, CIFAR-10's files, .npy arrays; parts of a data set.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include "tests/skip.h"
#include "tests/train/image_corpus.h"
#include "engine/check.h"
#include "train/data/dataset.h"
#include "train/data/npy.h"

using namespace autodidact;
namespace fs = std::filesystem;

namespace {

std::string message_of(auto&& call) {
  try {
    call();
    return "";
  } catch (const Error& e) {
    CHECK(e.kind == ErrorKind::data);
    return e.what();
  }
}
bool says(const std::string& message, const std::string& part) {
  CAPTURE(message);
  CAPTURE(part);
  bool found = message.find(part) != message.npos;
  CHECK(found);
  return found;
}

Encoded picture(uint32_t seed) { return make_png(test_picture(8, 8, seed)); }

DatasetPtr numbered(int64_t n, int classes) {
  Samples s{1, {}, {}, {}};
  for (int64_t i = 0; i < n; ++i) {
    s.images.insert(s.images.end(), 3, uint8_t(i));
    s.labels.push_back(int32_t(i % classes));
  }
  for (int c = 0; c < classes; ++c) s.classes.push_back("c" + std::to_string(c));
  return from_memory(std::move(s), "numbered");
}

}  // namespace

TEST_CASE("an image folder: classes and files in byte order, extensions in any case") {
  TestFolder f;
  for (auto* name :
       {"b/2.PNG", "b/10.png", "B/x.JPeG", "a/deep/er/y.png", ".hidden/z.png", "a/.z.png"})
    f.add(name, picture(1));
  f.add("a/notes.txt", picture(1));
  f.add("empty/notes.txt", picture(1));
  f.add("top.png", picture(1));
  auto d = open_dataset(f.path());
  CHECK(d->classes() == std::vector<std::string>{"B", "a", "b"});
  std::vector<std::string> names;
  std::vector<int> labels;
  for (int64_t i = 0; i < d->size(); ++i)
    names.push_back(d->name(i)), labels.push_back(d->label(i));
  CHECK(names == std::vector<std::string>{"B/x.JPeG", "a/deep/er/y.png", "b/10.png", "b/2.PNG"});
  CHECK(labels == std::vector<int>{0, 1, 2, 2});
  CHECK(d->image(0) == test_picture(8, 8, 1));
  std::string notes;
  for (auto& n : d->notes()) notes += n + "\n";
  says(notes, "1 images beside the class folders");
  says(notes, "folder empty (it holds no image)");
  says(notes, "2 files that are not images by name");
}

TEST_CASE("a flat folder has no labels; splits are sub-folders with one numbering of classes") {
  TestFolder flat;
  flat.add("2.png", picture(2)), flat.add("1.png", picture(1));
  auto d = open_dataset(flat.path());
  CHECK(d->size() == 2);
  CHECK(d->classes().empty());
  CHECK(d->label(0) == -1);
  CHECK(d->name(0) == "1.png");
  CHECK(open_dataset(flat.path(), {.split = "train"})->size() == 2);
  says(message_of([&] { open_dataset(flat.path() + ":test"); }), "has no split 'test'");

  TestFolder split;
  for (auto* name : {"train/cat/1.png", "train/dog/1.png", "test/dog/1.png", "test/eel/1.png"})
    split.add(name, picture(1));
  auto test = open_dataset(split.path() + ":test", {.split = "train"});
  CHECK(test->classes() == std::vector<std::string>{"cat", "dog", "eel"});
  CHECK(test->size() == 2);
  CHECK(test->label(0) == 1);
  CHECK(open_dataset(split.path())->name(0) == "cat/1.png");
  CHECK(open_dataset(split.path(), {.split = "test"})->size() == 2);
  says(message_of([&] { open_dataset(split.path() + ":val"); }),
       "found the sub-folders train test");
  CHECK(has_split(split.path(), "test"));
  CHECK_FALSE(has_split(split.path(), "val"));
  CHECK_FALSE(has_split(split.path() + ":train", "test"));
}

TEST_CASE("links, loops, pipes and odd names in an image folder") {
  TestFolder f;
  const std::string odd = "new\nline \xff\xfe";
  f.add(odd + "/a\tb.png", picture(1));
  f.add("plain/1.png", picture(2));
  fs::create_directory_symlink(f.path(), f.path() + "/plain/loop");
  fs::create_directory_symlink(f.path() + "/plain", f.path() + "/linked");
  fs::create_symlink(f.path() + "/nowhere", f.path() + "/plain/broken.png");
  CHECK(mkfifo((f.path() + "/plain/pipe.png").c_str(), 0600) == 0);
  auto d = open_dataset(f.path());
  CHECK(d->classes() == std::vector<std::string>{"linked", odd, "plain"});
  std::string notes;
  for (auto& n : d->notes()) notes += n + "\n";
  says(notes, "a link back to a folder above it");
  int good = 0;
  std::string reasons;
  for (int64_t i = 0; i < d->size(); ++i) {
    std::string reason = message_of([&] { d->image(i); });
    good += reason.empty();
    CHECK(reason.find('\n') == reason.npos);
    reasons += reason + "\n";
  }
  says(reasons, "broken.png: cannot be opened: No such file");
  says(reasons, "pipe.png: is not a regular file");
  CHECK(good >= 3);
}

TEST_CASE("sources that are not there or hold nothing say what was expected") {
  TestFolder f;
  says(message_of([&] { open_dataset(""); }), "is empty");
  says(message_of([&] { open_dataset(f.path() + "/none"); }), "no such file or folder");
  says(message_of([&] { open_dataset(f.path()); }), "holds no images");
  f.add("notes.txt", picture(1));
  says(message_of([&] { open_dataset(f.path()); }), "found 1 other files and 0 folders");
  f.add("data_batch_1.bin", picture(1));
  says(message_of([&] { open_dataset(f.path()); }), "write cifar10:");
  says(message_of([&] { open_dataset(f.path() + "/notes.txt"); }), "an image folder was expected");
}

TEST_CASE("the manifest changes when a file is added, rewritten or renamed") {
  TestFolder f;
  f.add("a/1.png", picture(1)), f.add("a/2.png", picture(2));
  auto manifest = [&] { return open_dataset(f.path())->manifest(); };
  std::set<uint64_t> seen = {manifest()};
  CHECK(manifest() == *seen.begin());
  f.add("a/3.png", picture(3));
  CHECK(seen.insert(manifest()).second);
  fs::rename(f.path() + "/a/3.png", f.path() + "/a/4.png");
  CHECK(seen.insert(manifest()).second);
  f.add("a/4.png", make_png(test_picture(9, 9)));
  CHECK(seen.insert(manifest()).second);
  fs::last_write_time(f.path() + "/a/4.png",
                      fs::file_time_type::clock::now() - std::chrono::hours(1));
  CHECK(seen.insert(manifest()).second);
}

TEST_CASE("CIFAR-10's binary files are checked before they are used") {
  TestFolder f;
  Encoded batch(30730000, 0);
  for (size_t i = 0; i < 10000; ++i) {
    batch[i * 3073] = uint8_t(i % 10);
    for (size_t c = 0; c < 3; ++c) batch[i * 3073 + 1 + c * 1024 + 33] = uint8_t(i % 50 + c);
  }
  f.add("test_batch.bin", batch);
  auto d = open_dataset("cifar10:" + f.path() + ":test");
  CHECK(d->size() == 10000);
  CHECK(d->side() == 32);
  CHECK(d->classes()[9] == "truck");
  CHECK(d->label(17) == 7);
  for (size_t c = 0; c < 3; ++c) CHECK(d->pixels(17)[33 * 3 + c] == 17 + c);  // row 1, column 1
  says(message_of([&] { open_dataset("cifar10:" + f.path()); }), "has no data_batch_1.bin");
  says(message_of([&] { open_dataset("cifar10:" + f.path() + ":val"); }), "not 'val'");
  says(message_of([&] { open_dataset("cifar10:" + f.path() + "/none"); }), "is not a folder");
  f.add("data_batch_1", batch);
  says(message_of([&] { open_dataset("cifar10:" + f.path()); }), "the binary version is needed");
  for (size_t bytes : {size_t(0), size_t(3073), batch.size() - 1}) {
    f.add("test_batch.bin", cut(batch, bytes));
    says(message_of([&] { open_dataset("cifar10:" + f.path() + ":test"); }),
         "test_batch.bin: has " + std::to_string(bytes) + " bytes, a CIFAR-10 batch has 30730000");
  }
  batch[42 * 3073] = 10;
  f.add("test_batch.bin", batch);
  says(message_of([&] { open_dataset("cifar10:" + f.path() + ":test"); }),
       "record 42 has label 10");
}

TEST_CASE("the built-in world as a data set") {
  auto d = open_dataset("world", {.split = "test", .size = 50, .seed = 3});
  CHECK(d->size() == 50);
  CHECK(d->side() == 32);
  CHECK(d->classes().size() == 10);
  auto same = open_dataset("world:test", {.split = "train", .size = 50, .seed = 3});
  CHECK(same->manifest() == d->manifest());
  CHECK(same->image(7) == d->image(7));
  for (int64_t i = 0; i < 50; ++i) CHECK(d->label(i) == same->label(i));
  std::set<uint64_t> manifests = {d->manifest()};
  for (const char* split : {"train", "val", "test2"}) {
    CHECK(has_split("world", split));
    CHECK(
        manifests.insert(open_dataset("world", {.split = split, .size = 50, .seed = 3})->manifest())
            .second);
  }
  CHECK(open_dataset("world", {.side = 48})->image(0).width == 48);
  says(message_of([&] { open_dataset("world:best"); }), "not 'best'");
  CHECK_THROWS_AS(open_dataset("world", {.side = 20}), Error);
}

TEST_CASE("parts of a data set: disjoint, complete, fixed by the seed") {
  auto d = numbered(200, 10);
  auto [kept, held] = hold_out(d, -1, 7);
  CHECK(held->size() == 20);
  CHECK(kept->size() == 180);
  std::set<int> all;
  for (auto& part : {kept, held})
    for (int64_t i = 0; i < part->size(); ++i) {
      int value = part->pixels(i)[0];
      CHECK(all.insert(value).second);
      CHECK(part->label(i) == value % 10);
      CHECK(part->image(i).rgb[0] == value);
    }
  CHECK(all.size() == 200);
  CHECK(hold_out(d, -1, 7).held->manifest() == held->manifest());
  CHECK(hold_out(d, -1, 8).held->manifest() != held->manifest());
  CHECK(hold_out(d, 50, 7).held->size() == 50);
  CHECK_THROWS_AS(hold_out(d, 200, 7), Error);

  auto few = few_labels(d, 3, 7);
  CHECK(few->size() == 30);
  std::vector<int> count(10);
  for (int64_t i = 0; i < 30; ++i) ++count[size_t(few->label(i))];
  CHECK(count == std::vector<int>(10, 3));
  CHECK(few_labels(d, 3, 7)->manifest() == few->manifest());
  says(message_of([&] { few_labels(d, 21, 7); }), "class 'c0' has 20 samples, 21 a class");
}

TEST_CASE("a data set gathered in memory holds the same pictures and the same damage") {
  TestFolder f;
  f.add("a/1.png", make_png(test_picture(40, 60)));
  f.add("a/2.png", Encoded(3, 0));
  f.add("b/3.png", make_png(test_picture(16, 16)));
  auto d = open_dataset(f.path()), m = in_memory(d, 16);
  CHECK(m->side() == 16);
  CHECK(m->pixels(1) == nullptr);
  says(message_of([&] { m->image(1); }), "a/2.png: is not an image");
  CHECK(m->image(2) == test_picture(16, 16));
  Image square{16, 16, std::vector<uint8_t>(768)};
  resize(square.rgb.data(), 16, 16, test_picture(40, 60), central_square(test_picture(40, 60)));
  CHECK(m->image(0) == square);
  CHECK(m->label(2) == 1);
  CHECK(m->manifest() == d->manifest());
}

TEST_CASE("the two forms of CIFAR-10 are the same data set") {
  const char* name = "the two forms of CIFAR-10 are the same data set";
  std::string binary = real_data(name, "cifar-10-batches-bin");
  if (binary.empty()) return;
  std::string jpeg = real_data(name, "cifar10-jpeg");
  if (jpeg.empty()) return;
  auto b = open_dataset("cifar10:" + binary + ":test"), j = open_dataset(jpeg + ":test");
  CHECK(b->size() == 10000);
  CHECK(j->classes() == b->classes());
  CHECK(j->image(0).height == 32);
  CHECK(open_dataset("cifar10:" + binary)->size() == 50000);
}
