// autodidact inspect FILE: what a weights file or a checkpoint holds; one of ours is verified.
#include <fmt/core.h>
#include <memory>
#include "tools/autodidact/command.h"
#include "train/checkpoint.h"

namespace autodidact {
namespace {

// What a tensor is for, as far as its name says.
const char* role_of(const std::string& name) {
  auto ends = [&](const char* with) { return name.ends_with(with); };
  if (name.rfind("optimizer.", 0) == 0) return "optimizer";
  if (ends("running_mean") || ends("running_var") || ends("num_batches_tracked")) return "buffer";
  return "parameter";
}

std::string joined(const Shape& shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

void run_inspect(const Common& common, const std::string& path, bool verbose) {
  const std::string file_name = find_checkpoint(path);
  TensorFile file = read_weights(file_name);
  const std::string prefix = "autodidact.", sums = prefix + "xxh3.";
  auto object = result_object("inspect", nullptr, nullptr, nullptr);
  object["file"] = file_name;
  nlohmann::ordered_json metadata = nlohmann::ordered_json::object(),
                         tensors = nlohmann::ordered_json::array();
  bool ours = false;
  std::string text = file_name + "\n";
  for (auto& [key, value] : file.metadata) {
    ours = ours || key.rfind(prefix, 0) == 0;
    if (key.rfind(sums, 0) == 0) continue;
    metadata[key] = value;
    std::string shown = key.rfind(prefix, 0) == 0 ? key.substr(prefix.size()) : key;
    // A recipe has many lines, and a stranger's metadata may hold what a terminal obeys.
    std::string quoted = nlohmann::json(value).dump();
    if (verbose || quoted.size() <= 80) text += fmt::format("  {:<16}{}\n", shown, quoted);
    else text += fmt::format("  {:<16}{} bytes (-v shows them)\n", shown, value.size());
  }
  text += ours ? "  every checksum holds\n" : "  no checksums inside: not a checkpoint of ours\n";
  int64_t parameters = 0, bytes = 0;
  for (auto& [name, t] : file.tensors) {
    std::string role = role_of(name), sum = xxh3(t.data(), t.bytes());
    if (role == "parameter") parameters += t.size();
    bytes += int64_t(t.bytes());
    text += fmt::format("  {:<10}{:<6}{:<22}{}  {}\n", role, autodidact::name(t.dtype),
                        joined(t.shape), sum, name);
    tensors.push_back({{"name", name},
                       {"role", role},
                       {"dtype", autodidact::name(t.dtype)},
                       {"shape", std::vector<int>(t.shape.begin(), t.shape.end())},
                       {"xxh3", sum}});
  }
  text += fmt::format("  {} tensors, {} parameters, {} bytes\n", file.tensors.size(), parameters,
                      bytes);
  object["verified"] = ours;
  object["metadata"] = metadata;
  object["parameters"] = parameters;
  object["bytes"] = bytes;
  object["tensors"] = tensors;
  print_result(common, text, object);
}

}  // namespace

void add_inspect(CLI::App& app, Common& common) {
  auto path = std::make_shared<std::string>();
  auto verbose = std::make_shared<bool>(false);
  CLI::App* c = app.add_subcommand(
      "inspect", "tensors, names, shapes, method, position and checksums of a file");
  c->footer(
      "Examples:\n"
      "  autodidact inspect runs/rotation\n"
      "  autodidact inspect resnet18.safetensors --json");
  c->add_option("FILE", *path, "a safetensors file, or a run directory for its last checkpoint")
      ->required();
  c->add_flag("-v,--verbose", *verbose, "all of the metadata, however long");
  add_common(*c, common);
  c->callback([path, verbose, &common] { run_inspect(common, *path, *verbose); });
}

}  // namespace autodidact
