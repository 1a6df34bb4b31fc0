// What the data command's subcommands share.
#pragma once
#include <string>
#include <vector>
#include "tools/autodidact/command.h"
#include "train/data/dataset.h"

namespace autodidact {

using Json = nlohmann::ordered_json;

struct DataOptions {
  std::string source, out, recipe;
  std::vector<std::string> sets;
  SourceOptions open;
  double cap = 0.01;
  int64_t count = 0;
  int side = 0;
  bool overwrite = false;
};

DatasetPtr open_source(DataOptions& o);
// The keys that every command's object has.
Json data_object(const DataOptions& o, const char* what, const std::string& protocol);

void show_data(DataOptions& o, const Common& common);  // data_show.cpp

}  // namespace autodidact
