#include "train/data/splits.h"
#include "engine/check.h"
#include "train/data/names.h"

namespace autodidact {

DatasetPtr open_training_split(const std::string& source, SourceOptions options) {
  const NamedSplit named = named_split(source);
  if (!named.split.empty() && named.split != "train")
    fail(ErrorKind::usage, "data source '", printable(source), "': names the split ", named.split,
         ", but training and test pictures are taken from it; give ", printable(named.source),
         ", or the training pictures here and `--test ", printable(source),
         "` where something is evaluated");
  options.split = "train";
  return open_dataset(named.source, options);
}

DatasetPtr open_test_split(const std::string& source, SourceOptions options, std::string& notes) {
  const std::string whole = named_split(source).source;
  for (const char* split : {"test", "val"})
    if (has_split(whole, split)) {
      options.split = split;
      if (options.split == "val")
        notes += printable(whole) + " has no test split: its split val is tested on\n";
      return open_dataset(whole, options);
    }
  return nullptr;
}

DatasetPtr open_test_pictures(const std::string& source, SourceOptions options,
                              std::string& notes) {
  const NamedSplit named = named_split(source);
  if (named.split.empty()) {
    if (DatasetPtr test = open_test_split(source, options, notes)) return test;
    options.split = has_split(source, "") ? "" : "test";
  }
  return open_dataset(source, options);
}

DatasetPtr labelled(DatasetPtr data, std::string& notes) {
  if (data->classes().empty()) return data;
  std::vector<int64_t> with;
  for (int64_t i = 0; i < data->size(); ++i)
    if (data->label(i) >= 0) with.push_back(i);
  const int64_t without = data->size() - int64_t(with.size());
  if (with.empty()) fail(ErrorKind::data, data->describe(), ": none of the samples has a label");
  if (without == 0) return data;
  notes += std::to_string(without) + " samples of " + data->describe() +
           " have no label and are left out\n";
  const std::string what = std::to_string(with.size()) + " labelled samples";
  return subset(std::move(data), std::move(with), what);
}

}  // namespace autodidact
