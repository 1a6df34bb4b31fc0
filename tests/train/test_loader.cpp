// The loader: the same batches for any number of workers and from any position; damaged pictures
// named and replaced, up to the cap.
#include <doctest/doctest.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <set>
#include <thread>
#include "tests/train/damaged_files.h"
#include "tests/train/image_corpus.h"
#include "engine/check.h"
#include "kernels/parallel.h"
#include "train/data/loader.h"

using namespace autodidact;

namespace {

// n pictures of which some are damaged, some of another size.
DatasetPtr folder_of(const TestFolder& f, int n, const std::set<int>& damaged) {
  for (int i = 0; i < n; ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "%c/%04d.png", 'a' + i % 3, i);
    f.add(name, damaged.count(i) ? Encoded(5, 0)
                                 : make_png(test_picture(8 + i % 5, 8 + i % 7, uint32_t(i))));
  }
  return open_dataset(f.path());
}

struct Seen {
  std::vector<uint8_t> images;
  std::vector<int32_t> labels;
  std::vector<int64_t> samples;
  bool operator==(const Seen&) const = default;
};
void take(Seen& seen, const Batch& b) {
  seen.images.insert(seen.images.end(), b.images.begin(), b.images.end());
  seen.labels.insert(seen.labels.end(), b.labels.begin(), b.labels.end());
  seen.samples.insert(seen.samples.end(), b.samples.begin(), b.samples.end());
}
Seen run(const DatasetPtr& data, const LoaderOptions& options, int batches) {
  Loader loader(data, options);
  Seen seen;
  for (int i = 0; i < batches; ++i) take(seen, loader.next());
  return seen;
}

}  // namespace

TEST_CASE("batches do not depend on the number of workers, also around damaged pictures") {
  TestFolder f;
  auto data = folder_of(f, 60, {7, 31, 59});
  LoaderOptions options{
      .batch = 9, .side = 8, .seed = 3, .drop_last = false, .threads = 0, .bad_cap = 0.1};
  const int batches = 3 * 7;  // three epochs
  const Seen one_by_one = run(data, options, batches);
  CHECK(one_by_one.samples.size() == 180);
  for (int threads : {1, 2, 3, 8})
    for (int ahead : {1, 4}) {
      CAPTURE(threads);
      CAPTURE(ahead);
      options.threads = threads, options.ahead = ahead;
      CHECK(run(data, options, batches) == one_by_one);
    }
  // From memory: the same again.
  CHECK(run(in_memory(data, 8), options, batches) == one_by_one);
}

TEST_CASE("an epoch holds every sample once, in an order of its own") {
  TestFolder f;
  auto data = folder_of(f, 30, {});
  LoaderOptions options{.batch = 7, .side = 8, .seed = 5, .drop_last = false};
  Seen two = run(data, options, 10);
  std::vector<int64_t> first(two.samples.begin(), two.samples.begin() + 30),
      second(two.samples.begin() + 30, two.samples.end());
  CHECK(first != second);
  for (auto* epoch : {&first, &second}) {
    std::vector<int64_t> sorted = *epoch;
    std::sort(sorted.begin(), sorted.end());
    for (int64_t i = 0; i < 30; ++i) CHECK(sorted[size_t(i)] == i);
  }
  for (size_t i = 0; i < 60; ++i) CHECK(two.labels[i] == data->label(two.samples[i]));
  options.seed = 6;
  CHECK(run(data, options, 5).samples != first);
  options.shuffle = false;
  Seen in_order = run(data, options, 5);
  CHECK(std::is_sorted(in_order.samples.begin(), in_order.samples.end()));

  Loader loader(data, options);
  CHECK(loader.batches_per_epoch() == 5);
  for (int i = 0; i < 4; ++i) CHECK(loader.next().count == 7);
  CHECK(loader.next().count == 2);
  const Batch& again = loader.next();
  CHECK(again.epoch == 1);
  CHECK(again.index == 0);
  options.drop_last = true;
  CHECK(Loader(data, options).batches_per_epoch() == 4);
}

TEST_CASE("the loader goes on at any position as if it had been there all the time") {
  TestFolder f;
  auto data = folder_of(f, 40, {12});
  for (int threads : {0, 2}) {
    LoaderOptions options{.batch = 6, .side = 8, .seed = 1, .threads = threads, .bad_cap = 0.1};
    std::vector<Seen> all(18);
    Loader whole(data, options);
    for (auto& seen : all) take(seen, whole.next());
    for (int64_t position : {0, 1, 5, 6, 11, 17}) {
      CAPTURE(position);
      Loader late(data, options);
      late.seek(position / 6, position % 6);
      for (size_t i = size_t(position); i < all.size(); ++i) {
        Seen seen;
        take(seen, late.next());
        CHECK(seen == all[i]);
      }
      late.seek(0, 6);  // the end of an epoch is the start of the next
      Seen seen;
      take(seen, late.next());
      CHECK(seen == all[6]);
    }
    CHECK_THROWS_AS(whole.seek(0, 7), Error);
  }
}

TEST_CASE(
    "the loader takes as many workers as there are compute threads, and none changes a byte") {
  TestFolder f;
  auto data = folder_of(f, 40, {12});
  LoaderOptions options{.batch = 6, .side = 8, .seed = 1, .threads = 0, .bad_cap = 0.1};
  const Seen expected = run(data, options, 12);
  options.threads = LoaderOptions::kAutomatic;
  const int before = thread_count();
  for (int threads : {1, 3}) {
    set_thread_count(threads);
    CAPTURE(threads);
    Loader loader(data, options);
    CHECK(loader.workers() == threads);
    CHECK(run(data, options, 12) == expected);
  }
  CHECK(Loader(in_memory(folder_of(f, 40, {}), 8), options).workers() == 0);  // only gathered
  set_thread_count(before);
}

TEST_CASE("damaged pictures are told of once, when they are found, those beyond the cap too") {
  TestFolder f;
  auto data = folder_of(f, 50, {4, 20, 21});
  for (int threads : {0, 3}) {
    std::vector<int64_t> told;
    LoaderOptions options{.batch = 10, .side = 8, .seed = 2, .threads = threads, .bad_cap = 0.04};
    options.found = [&](const BadFile& b) {
      CHECK(b.reason.find(data->name(b.sample)) != std::string::npos);
      told.push_back(b.sample);
    };
    Loader loader(data, options);
    CHECK_THROWS_AS(
        [&] {
          for (int i = 0; i < 5; ++i) loader.next();
        }(),
        Error);
    std::sort(told.begin(), told.end());
    CHECK(told.size() == 3);
    CHECK(std::adjacent_find(told.begin(), told.end()) == told.end());
  }
}

TEST_CASE("damaged pictures are replaced and named; beyond the cap the run ends") {
  TestFolder f;
  auto data = folder_of(f, 50, {4, 20, 21});
  for (int threads : {0, 3}) {
    LoaderOptions options{.batch = 10, .side = 8, .seed = 2, .threads = threads, .bad_cap = 0.06};
    Loader loader(data, options);
    for (int i = 0; i < 5; ++i) {
      const Batch& b = loader.next();
      for (int row = 0; row < b.count; ++row) {
        int64_t sample = b.samples[size_t(row)];
        CHECK(data->name(sample).substr(2, 4) != "0004");
        CHECK(b.labels[size_t(row)] == data->label(sample));
      }
    }
    auto bad = loader.bad_files();
    CHECK(bad.size() == 3);
    for (auto& file : bad)
      CHECK(file.reason.find(data->name(file.sample) + ": is not an image") != std::string::npos);

    options.bad_cap = 0.05;  // 2 of 50
    Loader strict(data, options);
    std::string message;
    int batches = 0;
    try {
      for (; batches < 5; ++batches) strict.next();
    } catch (const Error& e) {
      CHECK(e.kind == ErrorKind::data);
      message = e.what();
    }
    CAPTURE(message);
    CHECK(message.find("3 of 50 images are damaged, more than the cap of 5 %") == 0);
    CHECK(batches < 5);
  }
  TestFolder all_bad;
  LoaderOptions options{.batch = 2, .side = 8, .bad_cap = 1};
  Loader nothing(folder_of(all_bad, 4, {0, 1, 2, 3}), options);
  CHECK_THROWS_WITH_AS(nothing.next(), doctest::Contains("no readable picture in 100 draws"),
                       Error);
}

TEST_CASE("damaged pictures are left out where they are not to be replaced") {
  TestFolder f;
  auto data = folder_of(f, 51, {4, 20, 21, 50});
  for (int threads : {0, 3}) {
    LoaderOptions options{.batch = 10,
                          .side = 8,
                          .shuffle = false,
                          .drop_last = false,
                          .replace_damaged = false,
                          .threads = threads,
                          .ahead = 1,
                          .bad_cap = 0.1};
    Loader loader(data, options);
    for (int epoch = 0; epoch < 2; ++epoch) {
      std::vector<int64_t> samples;
      std::vector<int> counts;
      for (int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
        const Batch& b = loader.next();
        counts.push_back(b.count);
        REQUIRE(b.images.size() == size_t(b.count) * 8 * 8 * 3);
        for (int row = 0; row < b.count; ++row) {
          const int64_t sample = b.samples[size_t(row)];
          samples.push_back(sample);
          CHECK(b.labels[size_t(row)] == data->label(sample));
          const Image image = in_memory(subset(data, {sample}, ""), 8)->image(0);
          CHECK(std::equal(image.rgb.begin(), image.rgb.end(), b.images.begin() + row * 192));
        }
      }
      CHECK(counts == std::vector<int>{9, 9, 10, 10, 9, 0});
      CHECK(samples.size() == 47);
      CHECK(std::is_sorted(samples.begin(), samples.end()));
    }
    CHECK(loader.bad_files().size() == 4);
  }
}

TEST_CASE("a folder with every kind of damage: all are named, the order stays reproducible") {
  TestFolder f;
  folder_of(f, 60, {});
  const auto kinds = damaged_files();
  for (size_t i = 0; i < kinds.size(); ++i)
    f.add(std::string(1, char('a' + i % 3)) + "/" + kinds[i].name, kinds[i].file);
  auto data = open_dataset(f.path());
  CHECK(data->size() == int64_t(60 + kinds.size()));
  LoaderOptions options{.batch = 10, .side = 8, .drop_last = false, .threads = 0, .bad_cap = 0.5};
  const Seen epoch = run(data, options, 12);
  options.threads = 3;
  Loader loader(data, options);
  Seen again;
  for (int i = 0; i < 12; ++i) take(again, loader.next());
  CHECK(again == epoch);
  auto bad = loader.bad_files();
  CHECK(bad.size() == kinds.size());
  for (auto& kind : kinds)
    CHECK(std::any_of(bad.begin(), bad.end(), [&](const BadFile& b) {
      return b.reason.find(kind.name) != b.reason.npos &&
             b.reason.find(kind.reason) != b.reason.npos;
    }));
}

TEST_CASE("memory is bounded: workers stop when enough batches wait") {
  struct Counting : Dataset {
    mutable std::atomic<int> made{0};
    std::vector<std::string> none;
    int64_t size() const override { return 1000; }
    int side() const override { return 4; }
    const std::vector<std::string>& classes() const override { return none; }
    int label(int64_t) const override { return -1; }
    std::string name(int64_t i) const override { return std::to_string(i); }
    Image image(int64_t, int) const override {
      ++made;
      return Image{4, 4, std::vector<uint8_t>(48)};
    }
    uint64_t manifest() const override { return 0; }
    std::string describe() const override { return "counting"; }
  };
  auto data = std::make_shared<Counting>();
  {
    Loader loader(data, {.batch = 10, .threads = 3, .ahead = 2});
    for (int taken = 1; taken <= 5; ++taken) {
      loader.next();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      CHECK(data->made <= (taken + 2) * 10);
    }
  }
  CHECK_THROWS_WITH_AS(Loader(data, {.batch = 2000}), doctest::Contains("fewer than a batch"),
                       Error);
  CHECK_THROWS_AS(Loader(data, {.batch = 0}), Error);
}
