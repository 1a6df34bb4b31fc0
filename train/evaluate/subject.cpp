#include "train/evaluate/subject.h"
#include <fmt/format.h>

namespace autodidact {
namespace {

// Pictures are held in memory up to this: they are read several times.
constexpr int64_t kInMemory = int64_t(2) << 30;

DatasetPtr held(const DatasetPtr& data, int side) {
  return data->size() * side * side * 3 <= kInMemory ? in_memory(data, side) : data;
}

}  // namespace

Subject subject_of(LoadedMethod& loaded) {
  set_training(*loaded.method, false);
  return {fmt::format("{}, step {}", loaded.name, loaded.checkpoint.step),
          &loaded.method->encoder(), loaded.method->normalization(), loaded.side, loaded.device};
}

OpenedSubject open_subject(const SubjectRequest& request) {
  OpenedSubject o;
  o.loaded = load_method(request.checkpoint, request.device, request.untrained);
  // A recipe's keys are read once; this is the same one again.
  Recipe recipe = Recipe::parse(o.loaded.checkpoint.facts.at("recipe"), request.checkpoint);
  RunKeys keys;
  recipe.read(keys);
  o.seed = uint64_t(keys.seed);
  if (request.untrained && request.seed >= 0) {
    o.seed = uint64_t(request.seed);
    o.loaded.method = make_method(o.loaded.name, recipe,
                                  {o.loaded.side, o.loaded.method->outputs(), o.seed}, Dtype::f32);
    move_to(*o.loaded.method, request.device);
  }
  o.subject = subject_of(o.loaded);
  o.data = request.data.empty() ? keys.data : request.data;

  SourceOptions source{.split = "train", .side = o.loaded.side};
  if (o.data == keys.data) source.size = keys.train_size;
  DatasetPtr train = open_dataset(o.data, source);
  source.size = o.data == keys.data ? keys.test_size : 0, source.split = "test";
  if (!request.test.empty()) {
    o.test = open_dataset(request.test, source);
  } else if (has_split(o.data, "test")) {
    o.test = open_dataset(o.data, source);
  } else {
    HoldOut parts = hold_out(train, train->size() / 5, 1);
    o.test = parts.held, train = parts.kept;
    o.notes += o.data + " has no test split: one fifth of it, chosen by seed 1, is used as one\n";
  }
  o.train = held(train, o.loaded.side), o.test = held(o.test, o.loaded.side);

  if (request.untrained) {
    o.subject.what = fmt::format("{}, untrained, seed {}", o.loaded.name, o.seed);
    if (estimate_batch_statistics(o.loaded.method->encoder(), o.train, o.subject.normalization,
                                  o.loaded.side, o.seed, request.device))
      o.notes += "BatchNorm statistics of the untrained network were estimated on training data\n";
  }
  return o;
}

}  // namespace autodidact
