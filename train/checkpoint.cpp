#include "train/checkpoint.h"
#include <xxhash.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <exception>
#include <filesystem>
#include <memory>
#include "engine/durable_file.h"
#include "kernels/parallel.h"

namespace autodidact {
namespace fs = std::filesystem;
namespace {

const std::string kPrefix = "autodidact.";
const std::string kHeaderKey = kPrefix + "header";
const std::string kTensorKey = kPrefix + "xxh3.";
const std::string kFormatKey = kPrefix + "format";
const std::string kFormat =
    "1";  // of our metadata; readers accept all files of their major version
const std::string kUnsealed(16, '0');

std::string hexadecimal(uint64_t n) {
  std::string text(16, '0');
  for (size_t i = 16; i-- > 0; n >>= 4) text[i] = "0123456789abcdef"[n & 15];
  return text;
}

// The header is hashed as if its own hash were zeros. A quotation mark inside of a JSON string is
// escaped, so the pattern can only be the key.
std::string header_hash(std::string& header, size_t* at, const std::string& file) {
  std::string pattern = "\"" + kHeaderKey + "\":\"";
  size_t found = header.find(pattern);
  *at = found + pattern.size();
  if (found == header.npos || *at + kUnsealed.size() > header.size())
    fail(ErrorKind::checkpoint, file, ": is damaged: the header's checksum is missing");
  header.replace(*at, kUnsealed.size(), kUnsealed);
  return xxh3(header.data(), header.size());
}

bool is_ours(const TensorFile& file) {
  return std::any_of(file.metadata.begin(), file.metadata.end(),
                     [](auto& entry) { return entry.first.rfind(kPrefix, 0) == 0; });
}

using Checksums = std::map<std::string, std::string>;  // of tensors, by name

Checksums checksums_of(const TensorFile& file) {
  std::vector<std::pair<std::string, Tensor>> all(file.tensors.begin(), file.tensors.end());
  std::vector<std::string> sums(all.size());
  parallel_for(int64_t(all.size()), 1, [&](int64_t i, int64_t) {
    const Tensor& t = all[size_t(i)].second;
    sums[size_t(i)] = xxh3(t.data(), t.bytes());
  });
  Checksums of;
  for (size_t i = 0; i < all.size(); ++i) of.emplace(all[i].first, sums[i]);
  return of;
}

// Of the file's header, and of what was read of its tensors.
void verify(const TensorFile& file, const Checksums& of, const std::string& name) {
  std::string header = file.header;
  size_t at = 0;
  std::string hash = header_hash(header, &at, name);
  if (file.header.compare(at, hash.size(), hash) != 0)
    fail(ErrorKind::checkpoint, name, ": is damaged: the header does not have its checksum");
  for (const auto& [tensor, sum] : of) {
    auto stored = file.metadata.find(kTensorKey + tensor);
    if (stored == file.metadata.end() || stored->second != sum)
      fail(ErrorKind::checkpoint, name, ": is damaged: ", tensor, " does not have its checksum");
  }
  auto format = file.metadata.find(kFormatKey);
  if (format == file.metadata.end() || format->second != kFormat)
    fail(ErrorKind::checkpoint, name, ": is of a format that this version does not read");
}

template <class T>
int64_t first_not_finite(const Tensor& t) {
  const T* p = ptr<const T>(t);
  for (int64_t i = 0; i < t.size(); ++i)
    if (!std::isfinite(double(p[i]))) return i;
  return -1;
}

void check_finite(const TensorFile& file, const std::string& path) {
  for (auto& [name, t] : file.tensors) {
    int64_t at = t.dtype == Dtype::f32    ? first_not_finite<float>(t)
                 : t.dtype == Dtype::bf16 ? first_not_finite<bf16>(t)
                 : t.dtype == Dtype::f64  ? first_not_finite<double>(t)
                                          : -1;
    if (at >= 0)
      fail(ErrorKind::numerical, path, ": not written: ", name, " is not finite at element ", at);
  }
}

int64_t number(const TensorFile& file, const std::string& key, const std::string& path) {
  auto found = file.metadata.find(kPrefix + key);
  int64_t n = -1;
  if (found != file.metadata.end()) {
    const std::string& s = found->second;
    auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), n);
    if (error != std::errc() || end != s.data() + s.size()) n = -1;
  }
  if (n < 0)
    fail(ErrorKind::checkpoint, path, ": is not a training checkpoint: no ", key,
         "; `autodidact import` makes one of other programs' weights");
  return n;
}

bool is_checkpoint_name(const std::string& name) {
  const std::string_view begin = "step-", end = ".safetensors";
  if (name.size() <= begin.size() + end.size() || name.rfind(begin, 0) != 0 ||
      name.compare(name.size() - end.size(), end.size(), end) != 0)
    return false;
  return std::all_of(name.begin() + begin.size(), name.end() - end.size(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

// The name that `last` holds; "" where there is none. It is never a path.
std::string pointed_to(const fs::path& pointer) {
  std::error_code none;
  if (!fs::is_regular_file(pointer, none)) return "";
  std::string name = read_text(pointer.string(), 4096);
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return is_checkpoint_name(name) ? name : "";
}

}  // namespace

std::string xxh3(const void* data, size_t bytes) { return hexadecimal(XXH3_64bits(data, bytes)); }

void store_optimizer(TensorFile& file, const Parameters& parameters, Optimizer& optimizer) {
  for (auto& [name, t, role] : optimizer.state()) {
    if (t->shape.rank() == 0) store(file, {{name, *t, role}}, "optimizer.");
    else store(file, stored_tensors(parameters, *t), "optimizer." + name + ".");
  }
}

void load_optimizer(const TensorFile& file, const Parameters& parameters, Optimizer& optimizer,
                    const std::string& file_name) {
  std::vector<StoredTensor> all;
  for (auto& [name, t, role] : optimizer.state()) {
    if (t->shape.rank() == 0) {
      all.push_back({name, *t, role});
    } else {
      for (StoredTensor s : stored_tensors(parameters, *t)) {
        s.name = name + "." + s.name;
        all.push_back(s);
      }
    }
  }
  load_strict(all, file, {"optimizer.", {}, {}}, file_name);
}

void verify_checkpoint(const std::string& path) {
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                        XXH3_freeState);
  Checksums of;
  std::string current;
  auto finish = [&] {
    if (!current.empty()) of[current] = hexadecimal(XXH3_64bits_digest(state.get()));
  };
  const TensorFile file =
      scan_safetensors(path, [&](const std::string& tensor, std::string_view piece) {
        if (tensor != current) {
          finish();
          current = tensor;
          XXH3_64bits_reset(state.get());
        }
        XXH3_64bits_update(state.get(), piece.data(), piece.size());
      });
  finish();
  verify(file, of, path);
}

void write_checkpoint(const std::string& path, const Checkpoint& c) {
  check_finite(c.file, path);
  TensorFile file = c.file;
  for (auto& [name, text] : c.facts) file.metadata[kPrefix + name] = text;
  file.metadata[kPrefix + "step"] = std::to_string(c.step);
  file.metadata[kPrefix + "epoch"] = std::to_string(c.epoch);
  file.metadata[kPrefix + "batch"] = std::to_string(c.batch);
  file.metadata[kPrefix + "metrics_lines"] = std::to_string(c.metrics_lines);
  file.metadata[kFormatKey] = kFormat;
  for (auto& [name, sum] : checksums_of(file)) file.metadata[kTensorKey + name] = sum;
  file.metadata[kHeaderKey] = kUnsealed;
  auto seal = [&](std::string& header) {
    size_t at = 0;
    std::string hash = header_hash(header, &at, path);
    header.replace(at, hash.size(), hash);
  };
  write_safetensors(path, file, seal, verify_checkpoint);
}

TensorFile read_weights(const std::string& path) {
  TensorFile file = read_safetensors(path);
  if (is_ours(file)) verify(file, checksums_of(file), path);
  return file;
}

static Checkpoint checkpoint_of(TensorFile file, const std::string& path) {
  Checkpoint c;
  c.file = std::move(file);
  c.step = number(c.file, "step", path);
  c.epoch = number(c.file, "epoch", path);
  c.batch = number(c.file, "batch", path);
  c.metrics_lines = number(c.file, "metrics_lines", path);
  for (auto& [key, text] : c.file.metadata)
    if (key.rfind(kPrefix, 0) == 0 && key.rfind(kTensorKey, 0) != 0)
      c.facts[key.substr(kPrefix.size())] = text;
  for (const char* ours : {"step", "epoch", "batch", "metrics_lines", "format", "header"})
    c.facts.erase(ours);
  std::erase_if(c.file.metadata, [](auto& entry) { return entry.first.rfind(kPrefix, 0) == 0; });
  return c;
}

Checkpoint read_checkpoint(const std::string& path) {
  return checkpoint_of(read_weights(path), path);
}

Checkpoint read_start(const std::string& path) {
  TensorFile file = read_weights(path);
  if (is_ours(file)) return checkpoint_of(std::move(file), path);
  Checkpoint c;
  c.file = std::move(file);
  return c;
}

static bool is_damage(const Error& e) {
  return e.kind == ErrorKind::checkpoint || e.kind == ErrorKind::data;
}

std::string find_checkpoint(const std::string& path) {
  std::error_code none;
  if (!fs::is_directory(path, none)) return path;
  fs::path folder = fs::is_directory(fs::path(path) / "checkpoints", none)
                        ? fs::path(path) / "checkpoints"
                        : fs::path(path);
  std::string name = pointed_to(folder / "last");
  if (!name.empty() && fs::exists(folder / name, none)) return (folder / name).string();
  auto names = CheckpointFolder(folder.string()).names();
  if (names.empty()) fail(ErrorKind::data, path, ": holds no checkpoint");
  return (folder / names.back()).string();
}

Checkpoint read_sound_checkpoint(std::string& path, Checkpoint (*read)(const std::string&),
                                 const std::function<void(const std::string&)>& say) {
  const std::string last = find_checkpoint(path);
  std::vector<std::string> files = {last}, damage;
  if (last != path) {  // a run's
    const fs::path folder = fs::path(last).parent_path();
    files.clear();
    for (const std::string& name : CheckpointFolder(folder.string()).names()) {
      files.push_back((folder / name).string());
      if (files.back() == last) break;
    }
  }
  std::exception_ptr of_newest;
  for (; !files.empty(); files.pop_back()) try {
      Checkpoint c = read(files.back());
      path = files.back();
      for (const std::string& why : damage)
        say(why + "; going back to " + fs::path(path).filename().string());
      return c;
    } catch (const Error& e) {
      if (!is_damage(e)) throw;
      if (!of_newest) of_newest = std::current_exception();
      damage.push_back(e.what());
    }
  std::rethrow_exception(of_newest);
}

std::string find_sound_checkpoint(const std::string& path,
                                  const std::function<void(const std::string&)>& say) {
  const std::string last = find_checkpoint(path);
  if (last == path) return path;
  std::string file = path;
  try {
    read_sound_checkpoint(file, read_start, say);
  } catch (const Error& e) {
    if (!is_damage(e)) throw;
    return last;
  }
  return file;
}

std::vector<std::string> CheckpointFolder::names() const {
  std::vector<std::string> found;
  std::error_code none;
  for (auto& entry : fs::directory_iterator(path_, none))
    if (std::string name = entry.path().filename().string(); is_checkpoint_name(name))
      found.push_back(name);
  // Steps beyond eight digits make longer names: longer is later.
  std::sort(found.begin(), found.end(), [](auto& a, auto& b) {
    return std::make_pair(a.size(), a) < std::make_pair(b.size(), b);
  });
  return found;
}

std::string CheckpointFolder::save(const Checkpoint& checkpoint) {
  std::string step = std::to_string(checkpoint.step);
  std::string name = "step-" + std::string(std::max<size_t>(8, step.size()) - step.size(), '0') +
                     step + ".safetensors";
  fs::create_directories(path_);
  std::string file = (fs::path(path_) / name).string();
  write_checkpoint(file, checkpoint);
  write_durably((fs::path(path_) / "last").string(), name + "\n");
  prune();
  return file;
}

void CheckpointFolder::prune() const {
  std::vector<std::string> all = names();
  std::string last = pointed_to(fs::path(path_) / "last");
  for (size_t i = 0; i + 2 < all.size(); ++i)
    if (all[i] != last) fs::remove(fs::path(path_) / all[i]);
}

std::optional<Checkpoint> CheckpointFolder::load_last(const Say& say) const {
  std::vector<std::string> all = names();
  for (size_t i = all.size(); i-- > 0;) {
    std::string file = (fs::path(path_) / all[i]).string();
    try {
      return read_checkpoint(file);
    } catch (const Error& e) {
      if (!is_damage(e)) throw;
      if (i == 0)
        fail(ErrorKind::checkpoint, e.what(),
             all.size() > 1 ? "; the older ones are damaged too" : "",
             "; start again with --overwrite");
      say(std::string(e.what()) + "; going back to " + all[i - 1]);
    }
  }
  return std::nullopt;
}

}  // namespace autodidact
