#include "train/evaluate/feature_file.h"
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <iterator>
#include "engine/durable_file.h"
#include "engine/safetensors.h"
#include "train/data/names.h"
#include "train/data/npy.h"

namespace autodidact {
namespace {

// RFC 4180: quoted, quotes doubled.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : printable(text)) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string class_name(const Dataset& data, int32_t label) {
  return label >= 0 && size_t(label) < data.classes().size() ? data.classes()[size_t(label)] : "";
}

void write_csv(const std::string& path, const Features& features, const Dataset& data) {
  const Tensor& x = features.blocks[0].x;
  const int rows = x.shape[0], cols = x.shape[1];
  DurableFile file(path);
  std::string line = "name,class";
  for (int c = 0; c < cols; ++c) line += fmt::format(",f{}", c);
  file.write(line + "\n");
  for (int r = 0; r < rows; ++r) {
    line = quoted(data.name(r)) + "," + quoted(class_name(data, features.labels[size_t(r)]));
    for (int c = 0; c < cols; ++c)
      fmt::format_to(std::back_inserter(line), ",{:.9g}", ptr<float>(x)[int64_t(r) * cols + c]);
    file.write(line + "\n");
  }
  file.commit();
}

void write_tensors(const std::string& path, const Features& features, const Dataset& data,
                   const Subject& subject) {
  TensorFile file;
  file.tensors["features"] = features.blocks[0].x;
  Tensor labels = empty({int(features.labels.size())}, Dtype::i32);
  std::copy(features.labels.begin(), features.labels.end(), ptr<int32_t>(labels));
  file.tensors["labels"] = labels;
  nlohmann::json names = nlohmann::json::array(), classes = nlohmann::json::array();
  for (int64_t i = 0; i < data.size(); ++i) names.push_back(printable(data.name(i)));
  for (const std::string& c : data.classes()) classes.push_back(printable(c));
  file.metadata = {{"names", names.dump()},
                   {"classes", classes.dump()},
                   {"block", features.blocks[0].block},
                   {"subject", subject.what}};
  write_safetensors(path, file);
}

}  // namespace

void check_feature_file(const std::string& path) {
  for (const char* ending : {".npy", ".csv", ".safetensors"})
    if (path.ends_with(ending)) return;
  fail(ErrorKind::usage, "embed: the file must end in .npy, .csv or .safetensors, got ",
       printable(path));
}

void write_features(const std::string& path, const Features& features, const Dataset& data,
                    const Subject& subject) {
  check_feature_file(path);
  const Tensor& x = features.blocks[0].x;
  check(x.shape[0] == data.size(), "features: a row a picture is expected, got ", x.shape[0],
        " rows for ", data.size());
  if (path.ends_with(".csv")) return write_csv(path, features, data);
  if (path.ends_with(".safetensors")) return write_tensors(path, features, data, subject);
  write_npy(path, "<f4", {x.shape[0], x.shape[1]},
            Bytes(static_cast<const uint8_t*>(x.data()), x.bytes()));
}

}  // namespace autodidact
