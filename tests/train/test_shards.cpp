// Shards: what is read of a tar archive and what is refused; the order of training; the same
// batches for any number of workers and from any position.
#include <doctest/doctest.h>
#include <algorithm>
#include <filesystem>
#include <set>
#include "tests/train/image_corpus.h"
#include "engine/check.h"
#include "train/data/loader.h"
#include "train/data/shuffle.h"
#include "train/data/tar.h"

using namespace autodidact;

namespace {

using Files = std::vector<std::pair<std::string, Encoded>>;

Encoded text(const std::string& s) { return {s.begin(), s.end()}; }

// Samples [begin, end): number 7 is 0007.png with its class 7 % 3 in 0007.cls.
Files samples(int begin, int end) {
  Files files;
  for (int i = begin; i < end; ++i) {
    const std::string key = std::to_string(10000 + i).substr(1);
    files.emplace_back(key + ".cls", text(std::to_string(i % 3) + "\n"));
    files.emplace_back(key + ".png", make_png(test_picture(8, 8 + i % 4, uint32_t(i))));
  }
  return files;
}

std::string error_of(const std::string& source) {
  try {
    open_dataset(source);
  } catch (const Error& e) {
    CHECK(e.kind == ErrorKind::data);
    return e.what();
  }
  return "";
}

std::vector<int64_t> seen(const DatasetPtr& data, int threads, int skip, int batches) {
  Loader loader(data, {.batch = 7, .side = 8, .seed = 5, .threads = threads});
  if (skip) loader.seek(skip / loader.batches_per_epoch(), skip % loader.batches_per_epoch());
  std::vector<int64_t> all;
  for (int i = 0; i < batches; ++i) {
    const Batch& b = loader.next();
    all.insert(all.end(), b.samples.begin(), b.samples.end());
    for (uint8_t v : b.images) all.push_back(v);
  }
  return all;
}

}  // namespace

TEST_CASE("shards are read as what they hold") {
  TestFolder f;
  Files files = samples(0, 5);
  files.insert(files.begin() + 4, {{"folder/", {}}, {"folder/notes", text("none")}});
  files.emplace_back("0005.json", text("{}"));           // no picture
  files.emplace_back("0006.left.png", files[1].second);  // an extension that is none of ours
  files.emplace_back("0007.JPG", make_jpeg(test_picture(20, 30)));
  f.add("b.tar", make_tar(files));
  f.add("a.tar", make_tar(samples(20, 22)));
  f.add("no-shard.txt", text("x"));
  auto data = open_dataset("shards:" + f.path());
  REQUIRE(data->size() == 8);
  CHECK(data->classes() == std::vector<std::string>{"0", "1", "2"});
  CHECK(data->name(0) == "a.tar/0020");
  CHECK(data->label(0) == 2);
  CHECK(data->name(3) == "b.tar/0001");
  CHECK(data->label(3) == 1);
  CHECK(data->image(3, 0) == test_picture(8, 9, 1));
  CHECK(data->label(7) == -1);
  CHECK(data->image(7, 0).width == 30);
  CHECK(data->notes() ==
        std::vector<std::string>{"2 samples without a picture",
                                 "3 files that are neither a picture nor a class"});
  CHECK(open_dataset("shards:" + f.path() + "/a.tar")->size() == 2);
  const uint64_t before = data->manifest();
  f.add("c.tar", make_tar(samples(30, 31)));
  CHECK(open_dataset("shards:" + f.path())->manifest() != before);
}

TEST_CASE("shards named by brace ranges and stars") {
  TestFolder f;
  for (int i = 8; i < 12; ++i)
    f.add("train-" + std::to_string(100 + i).substr(1) + ".tar", make_tar(samples(i, i + 1)));
  f.add("val-0.tar", make_tar(samples(0, 2)));
  f.add("val-1.tar.gz", {});
  const std::string at = "shards:" + f.path() + "/";
  auto names = [&](const std::string& pattern) {
    std::string all;
    auto data = open_dataset(at + pattern);
    for (int64_t i = 0; i < data->size(); ++i) all += data->name(i) + " ";
    return all;
  };
  CHECK(names("train-{08..10}.tar") == "train-08.tar/0008 train-09.tar/0009 train-10.tar/0010 ");
  CHECK(names("train-1{0..1}.tar") == "train-10.tar/0010 train-11.tar/0011 ");
  CHECK(names("{val-0,train-08}.tar") == "val-0.tar/0000 val-0.tar/0001 train-08.tar/0008 ");
  CHECK(names("*-{11..11}.tar") == "train-11.tar/0011 ");
  CHECK(names("*.tar:train").size() == 4 * 18 + 2 * 15);
  CHECK(open_dataset(at + "v*")->notes().front() == "val-1.tar.gz is compressed: unpack it first");
  CHECK(has_split(at + "*.tar", "train"));
  CHECK(!has_split(at + "*.tar", "test"));
  auto says = [&](const std::string& pattern, const std::string& words) {
    CAPTURE(error_of(at + pattern));
    CHECK(error_of(at + pattern).find(words) != std::string::npos);
  };
  says("train-{08..13}.tar", "/train-12.tar: this shard is missing; ");
  says("test-*.tar", "/test-*.tar: no shard has such a name");
  says("val-1*", "no shard has such a name; val-1.tar.gz is compressed");
  says("train-{08..1x}.tar", "got {08..1x}");
  says("train-{11..08}.tar", "got {11..08}");
  says("train-{08}.tar", "or alternatives, {a,b}, got {08}");
  says("train-{08..10.tar", "a brace is not closed");
  says("{0..99999999}.tar", "names more than 1048576 shards");
  says("*.tar:test", "are one split, there is no 'test'");
  says("*/x.tar", "a star may stand in a file's name alone");
}

TEST_CASE("long names in a tar archive") {
  const std::string folder(120, 'x');
  for (bool pax : {false, true}) {
    CAPTURE(pax);
    TestFolder f;
    f.add("a.tar", make_tar({{folder + "/1.png", make_png(test_picture(8, 8))},
                             {folder + "/1.cls", text("1")},
                             {"2.png", make_png(test_picture(8, 8))}},
                            pax));
    auto data = open_dataset("shards:" + f.path());
    REQUIRE(data->size() == 2);
    CHECK(data->name(0) == "a.tar/" + folder + "/1");
    CHECK(data->label(0) == 1);
    CHECK(data->name(1) == "a.tar/2");
  }
}

TEST_CASE("splits of shards share their classes") {
  TestFolder f;
  f.add("train/0.tar", make_tar(samples(0, 9)));
  f.add("test/0.tar", make_tar(samples(0, 2)));
  const std::string source = "shards:" + f.path();
  CHECK(open_dataset(source)->size() == 9);
  CHECK(open_dataset(source + ":test")->size() == 2);
  CHECK(open_dataset(source + ":test")->classes().size() == 3);
  CHECK(has_split(source, "test"));
  CHECK(!has_split(source, "val"));
  CHECK(!has_split(source, ""));
  CHECK(error_of(source + ":val").find("has no split 'val'") != std::string::npos);
}

TEST_CASE("a tar archive that is cut short anywhere is named; so are other damages") {
  TestFolder f;
  const Encoded whole = make_tar(samples(0, 2));
  int64_t size = 0;
  for (size_t bytes = 0; bytes <= whole.size() - 1024; bytes += 256) {
    CAPTURE(bytes);
    const std::string path = f.add("cut.tar", cut(whole, bytes));
    const std::string error = error_of("shards:" + f.path());
    CHECK(error.find(path + ": this tar archive is cut short") == 0);
    size += error.find("in or after 0001.png") != std::string::npos;
  }
  CHECK(size > 0);
  Encoded other = whole;
  other[512 + 512 + 3] ^= 1;  // the second header
  f.add("cut.tar", other);
  CHECK(error_of("shards:" + f.path()).find("no header at byte 1024, after 0000.cls") !=
        std::string::npos);
  f.add("cut.tar", make_tar({{"1.cls", text("cat")}, {"1.png", {}}}));
  CHECK(error_of("shards:" + f.path()).find("1.cls: a class must be a number") !=
        std::string::npos);
  f.add("cut.tar", make_tar({{"1.cls", text("1")}}));
  CHECK(error_of("shards:" + f.path()).find("hold no pictures") != std::string::npos);
  std::filesystem::remove(f.path() + "/cut.tar");
  CHECK(error_of("shards:" + f.path()).find("holds no shards") != std::string::npos);
  CHECK(error_of("shards:" + f.path() + "/none").find("no such file") != std::string::npos);
  // A damaged picture is one sample's, as in a folder.
  f.add("a.tar",
        make_tar({{"1.png", text("no picture")}, {"2.png", make_png(test_picture(8, 8))}}));
  auto data = open_dataset("shards:" + f.path());
  CHECK_THROWS_WITH_AS(data->image(0, 0), doctest::Contains("a.tar/1: is not an image"), Error);
  CHECK(data->image(1, 0) == test_picture(8, 8));
}

TEST_CASE("behind the end mark of a tar archive are zeros, or it is damaged") {
  TestFolder f;
  const Encoded whole = make_tar(samples(0, 2)), more = make_tar(samples(2, 3));
  const size_t mark = whole.size() - 1024;
  for (size_t zeros : {size_t(512), size_t(1024), size_t(1300), size_t(10240), size_t(200000)}) {
    CAPTURE(zeros);
    Encoded padded = cut(whole, mark);
    padded.resize(mark + zeros);
    f.add("a.tar", padded);
    CHECK(open_dataset("shards:" + f.path())->size() == 2);
    padded.insert(padded.end(), more.begin(), more.end());
    f.add("a.tar", padded);
    CHECK(error_of("shards:" + f.path())
              .find("data behind the end mark at byte " + std::to_string(mark)) !=
          std::string::npos);
  }
}

TEST_CASE("what is no tar archive, and what is a compressed one, is called so") {
  TestFolder f;
  const Encoded gzip = {0x1f, 0x8b, 8, 0}, zstd = {0x28, 0xb5, 0x2f, 0xfd};
  for (size_t bytes : {size_t(4), size_t(700)})
    for (auto& [magic, name] : {std::pair(gzip, "gzip"), {zstd, "zstd"}}) {
      Encoded file = magic;
      file.resize(bytes, 0xff);  // as a field of a header: GNU's binary, too large for a size
      const std::string path = f.add("a.tar", file);
      CHECK(error_of("shards:" + f.path()) ==
            path + ": this archive is compressed (" + name + "); unpack it first");
    }
  f.add("a.tar", Encoded(700, 0xff));
  CHECK(error_of("shards:" + f.path()).find("damaged tar archive: no header at byte 0") !=
        std::string::npos);
  std::filesystem::remove(f.path() + "/a.tar");

  f.add("b.tar.gz", gzip), f.add("c.tgz", gzip), f.add(".d.tar.gz", gzip);
  CHECK(error_of("shards:" + f.path()).find("b.tar.gz and 1 more are compressed") !=
        std::string::npos);
  f.add("a.tar", make_tar(samples(0, 2)));
  CHECK(open_dataset("shards:" + f.path())->notes() ==
        std::vector<std::string>{"b.tar.gz and 1 more are compressed: unpack them first"});
  // A split of compressed archives alone is not taken for a missing one.
  f.add("split/train/a.tar", make_tar(samples(0, 2)));
  f.add("split/test/a.tar.zst", zstd);
  const std::string split = "shards:" + f.path() + "/split";
  CHECK(open_dataset(split)->notes().empty());
  CHECK(has_split(split, "test"));
  CHECK(error_of(split + ":test").find("a.tar.zst is compressed: unpack it first") !=
        std::string::npos);
}

TEST_CASE("the order of shards: each sample once, shards one after another, others every epoch") {
  const std::vector<int64_t> first = {0, 100, 100, 350, 400};
  const auto order = shard_order(first, 20, 3, Stream::order, 1);
  CHECK(std::set<int64_t>(order.begin(), order.end()).size() == 400);
  CHECK(order != shard_order(first, 20, 3, Stream::order, 2));
  CHECK(order != shard_order(first, 20, 4, Stream::order, 1));
  // What is in the buffer comes of the shard that is read and of the end of the one before.
  auto shard_of = [&](int64_t i) {
    return std::upper_bound(first.begin(), first.end(), i) - first.begin();
  };
  std::vector<int64_t> read;  // the samples in the order in which they come in
  for (int64_t s : permutation(4, 3, Stream::order, 1))
    for (int64_t i = first[size_t(s)]; i < first[size_t(s) + 1]; ++i) read.push_back(i);
  int moved = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto in = std::find(read.begin(), read.end(), order[i]) - read.begin();
    CHECK(in < int64_t(i) + 20);  // it has been read
    moved += in != int64_t(i);
  }
  CHECK(moved > 300);
  CHECK(shard_of(read[0]) != shard_of(read.back()));
  CHECK(shard_order({0, 5}, 100, 1, Stream::order, 0).size() == 5);
}

TEST_CASE("shards: the same batches for any number of workers and from any position") {
  TestFolder f;
  f.add("0.tar", make_tar(samples(0, 20)));
  f.add("1.tar", make_tar(samples(20, 31)));
  auto data = open_dataset("shards:" + f.path());
  const auto whole = seen(data, 0, 0, 10);  // 4 batches an epoch
  const size_t batch = whole.size() / 10;
  for (int threads : {1, 3}) CHECK(seen(data, threads, 0, 10) == whole);
  for (int skip : {1, 3, 4, 6})
    CHECK(seen(data, 2, skip, 10 - skip) ==
          std::vector<int64_t>(whole.begin() + long(batch) * skip, whole.end()));
}

TEST_CASE("batches follow the order of the shards, also of a part of them") {
  TestFolder f;
  f.add("0.tar", make_tar(samples(0, 20)));
  f.add("1.tar", make_tar(samples(20, 31)));
  const DatasetPtr data = open_dataset("shards:" + f.path());
  std::vector<int64_t> even;
  for (int64_t i = 0; i < 31; i += 2) even.push_back(i);
  auto taken = [](const DatasetPtr& from, int64_t epoch) {
    Loader loader(from, {.batch = 4, .side = 8, .seed = 5, .drop_last = false, .threads = 2});
    loader.seek(epoch, 0);
    std::vector<int64_t> all;
    for (int64_t b = 0; b < loader.batches_per_epoch(); ++b) {
      const Batch& batch = loader.next();
      all.insert(all.end(), batch.samples.begin(), batch.samples.end());
    }
    return all;
  };
  for (uint32_t epoch : {0u, 3u}) {
    const auto order = shard_order({0, 20, 31}, 4096, 5, Stream::order, epoch);
    REQUIRE(order != permutation(31, 5, Stream::order, epoch));
    CHECK(taken(data, epoch) == order);
    std::vector<int64_t> of_even;
    for (int64_t i : order)
      if (i % 2 == 0) of_even.push_back(i / 2);
    CHECK(taken(subset(data, even, "the even ones"), epoch) == of_even);
  }
}
