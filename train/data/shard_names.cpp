#include "train/data/shard_names.h"
#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>
#include "engine/check.h"
#include "train/data/names.h"
#include "train/data/image_folder.h"

namespace autodidact {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMostShards = 1 << 20;

// One or more digits, at most 9, so that they fit an int.
bool is_number(const std::string& s) {
  return !s.empty() && s.size() <= 9 &&
         std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Of braceexpand, which WebDataset calls: {000..009} counts with as many digits as the longer end
// has where one begins with a zero; {a,b} are alternatives. Braces do not nest.
std::vector<std::string> alternatives(const std::string& braces, const std::string& pattern) {
  std::vector<std::string> all;
  const size_t dots = braces.find("..");
  if (dots == braces.npos) {
    for (size_t from = 0, comma; from <= braces.size(); from = comma + 1) {
      comma = std::min(braces.find(',', from), braces.size());
      all.push_back(braces.substr(from, comma - from));
    }
    if (all.size() > 1) return all;
  } else if (const std::string low = braces.substr(0, dots), high = braces.substr(dots + 2);
             is_number(low) && is_number(high) && std::stoi(low) <= std::stoi(high)) {
    const bool padded = (low[0] == '0' && low.size() > 1) || (high[0] == '0' && high.size() > 1);
    const size_t digits = padded ? std::max(low.size(), high.size()) : 1;
    if (size_t(std::stoi(high) - std::stoi(low)) >= kMostShards)
      fail(ErrorKind::data, printable(pattern), ": names more than ", kMostShards, " shards");
    for (int i = std::stoi(low); i <= std::stoi(high); ++i) {
      const std::string number = std::to_string(i);
      all.push_back(std::string(digits - std::min(digits, number.size()), '0') + number);
    }
    return all;
  }
  fail(ErrorKind::data, printable(pattern), ": braces hold a range of numbers, {000000..000009}, ",
       "or alternatives, {a,b}, got {", printable(braces), "}");
}

std::vector<std::string> expanded(const std::string& pattern) {
  std::vector<std::string> done = {""};
  for (size_t at = 0; at < pattern.size();) {
    const size_t open = pattern.find('{', at),
                 close = pattern.find('}', std::min(open, pattern.size()));
    if (open != pattern.npos && close == pattern.npos)
      fail(ErrorKind::data, printable(pattern), ": a brace is not closed");
    if (open != pattern.npos && pattern.find('{', open + 1) < close)
      fail(ErrorKind::data, printable(pattern), ": braces do not nest");
    const std::string between = pattern.substr(at, open - at);
    for (std::string& s : done) s += between;
    if (open == pattern.npos) break;
    std::vector<std::string> longer;
    const auto choices = alternatives(pattern.substr(open + 1, close - open - 1), pattern);
    if (done.size() * choices.size() > kMostShards)
      fail(ErrorKind::data, printable(pattern), ": names more than ", kMostShards, " shards");
    for (const std::string& s : done)
      for (const std::string& choice : choices) longer.push_back(s + choice);
    done = std::move(longer);
    at = close + 1;
  }
  return done;
}

// Stars stand for any bytes, none included. Only the last star met can have to take another byte.
bool fits(std::string_view name, std::string_view pattern) {
  size_t n = 0, p = 0, star = pattern.npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') star = p++, taken = n;
    else if (p < pattern.size() && pattern[p] == name[n]) ++p, ++n;
    else if (star != pattern.npos) p = star + 1, n = ++taken;
    else return false;
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

}  // namespace

ShardNames shards_in(const std::string& folder) {
  ShardNames found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    const std::string name = path.filename().string();
    if (name[0] == '.') continue;
    if (path.extension() == ".tar") found.paths.push_back(path.string());
    else if (path.extension() == ".tgz" || path.stem().extension() == ".tar")
      found.compressed.push_back(name);
  }
  if (error)
    fail(ErrorKind::data, printable(folder), ": this folder cannot be read: ", error.message());
  std::sort(found.paths.begin(), found.paths.end());
  std::sort(found.compressed.begin(), found.compressed.end());
  return found;
}

bool is_shard_pattern(const std::string& path) {
  std::error_code none;
  return path.find_first_of("{*") != path.npos && !fs::exists(path, none);
}

ShardNames shards_named(const std::string& pattern) {
  ShardNames found;
  std::map<std::string, ShardNames> listed;  // folders, each once
  for (const std::string& path : expanded(pattern)) {
    std::error_code error;
    const size_t star = path.find('*');
    if (star == path.npos) {
      const bool exists = fs::exists(path, error);
      if (error) fail(ErrorKind::data, printable(path), ": cannot be looked at: ", error.message());
      if (!exists)
        fail(ErrorKind::data, printable(path), ": this shard is missing; ", printable(pattern),
             " names it");
      found.paths.push_back(path);
      continue;
    }
    const size_t slash = path.rfind('/');
    if (slash != path.npos && star < slash)
      fail(ErrorKind::data, printable(pattern), ": a star may stand in a file's name alone");
    const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
    auto [place, fresh] = listed.try_emplace(folder);
    if (fresh) place->second = shards_in(folder);
    const ShardNames& all = place->second;
    const std::string wanted = path.substr(slash + 1);  // npos + 1 is 0
    const size_t before = found.paths.size();
    for (const std::string& shard : all.paths)
      if (fits(fs::path(shard).filename().string(), wanted)) found.paths.push_back(shard);
    for (const std::string& name : all.compressed)
      if (fits(name, wanted)) found.compressed.push_back(name);
    if (found.paths.size() == before)
      fail(ErrorKind::data, printable(path), ": no shard has such a name",
           found.compressed.empty() ? "" : "; " + say_compressed(found.compressed));
  }
  return found;
}

std::string say_compressed(const std::vector<std::string>& names) {
  const std::string first = printable(names[0]);
  if (names.size() == 1) return first + " is compressed: unpack it first";
  return first + " and " + std::to_string(names.size() - 1) +
         " more are compressed: unpack them first";
}

std::vector<std::string> shard_splits(const std::string& folder) {
  std::vector<std::string> splits;
  std::error_code none;
  for (const char* s : {"train", "test", "val"}) {
    const std::string below = folder + "/" + s;
    if (!fs::is_directory(below, none)) continue;
    const ShardNames found = shards_in(below);
    // Compressed ones make a split, too: opening it says so.
    if (!found.paths.empty() || !found.compressed.empty()) splits.push_back(s);
  }
  return splits;
}

}  // namespace autodidact
