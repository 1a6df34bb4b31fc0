#include "train/evaluate/subject.h"
#include <fmt/format.h>
#include "train/data/names.h"
#include "train/data/splits.h"

namespace autodidact {
namespace {

void refuse_training_pictures(const std::string& test, const std::string& data,
                              const DatasetPtr& test_pictures, const DatasetPtr& train) {
  const NamedSplit named = named_split(test);
  if (test_pictures->manifest() == train->manifest() ||
      (named.split == "train" && named.source == named_split(data).source))
    fail(ErrorKind::usage, "evaluate: --test must name other pictures than those trained on, got ",
         printable(test));
}

}  // namespace

Subject subject_of(LoadedMethod& loaded) {
  set_training(*loaded.method, false);
  return {loaded.untrained ? fmt::format("{}, untrained, seed {}", loaded.name, loaded.seed)
                           : fmt::format("{}, step {}", loaded.name, loaded.checkpoint.step),
          &loaded.method->encoder(),
          loaded.method->normalization(),
          loaded.side,
          loaded.method->device(),
          loaded.keys.bad_cap};
}

bool estimate_statistics(LoadedMethod& loaded, const Subject& subject, const DatasetPtr& pictures) {
  return estimate_batch_statistics(loaded.method->encoder(), subject, pictures,
                                   uint64_t(loaded.seed));
}

DatasetPtr training_pictures(const LoadedMethod& loaded) {
  return open_training_split(loaded.keys.data,
                             {.side = loaded.side, .size = loaded.keys.train_size});
}

OpenedSubject open_subject(const SubjectRequest& request) {
  OpenedSubject o;
  o.loaded = request.untrained ? load_untrained(request.checkpoint, request.seed, request.device)
                               : load_method(request.checkpoint, request.device);
  const RunKeys& keys = o.loaded.keys;
  o.subject = subject_of(o.loaded);
  if (request.bad_cap >= 0) o.subject.bad_cap = request.bad_cap;
  o.data = request.data.empty() ? keys.data : request.data;

  const bool own = o.data == keys.data;
  SourceOptions source{.side = o.loaded.side, .size = own ? keys.train_size : 0};
  DatasetPtr train = open_training_split(o.data, source);
  source.size = own ? keys.test_size : 0;
  o.test = request.test.empty() ? open_test_split(o.data, source, o.notes)
                                : open_test_pictures(request.test, source, o.notes);
  if (!request.test.empty()) refuse_training_pictures(request.test, o.data, o.test, train);
  train = labelled(train, o.notes);
  if (o.test) {
    o.test = labelled(o.test, o.notes);
  } else if (o.loaded.method->uses_labels() && !request.untrained) {
    fail(
        ErrorKind::data, "evaluate: ", printable(o.data), " has no test split, and ", o.loaded.name,
        " learned from labels, perhaps of these very pictures; name pictures that it has not seen ",
        "with --test");
  } else {
    HoldOut parts = hold_out(train, train->size() / 5, 1);
    o.test = parts.held, train = parts.kept;
    o.notes += printable(o.data) +
               " has no test split: one fifth of it, chosen by seed 1, is used " +
               "as one; the network may have seen these pictures in training, without labels\n";
  }
  o.train = held_in_memory(train, o.loaded.side), o.test = held_in_memory(o.test, o.loaded.side);

  if (request.untrained && estimate_statistics(o.loaded, o.subject, o.train))
    o.notes += "BatchNorm statistics of the untrained network were estimated on training data\n";
  return o;
}

}  // namespace autodidact
