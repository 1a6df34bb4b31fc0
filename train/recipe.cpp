#include "train/recipe.h"
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <toml++/toml.h>

namespace autodidact {
namespace {

constexpr uintmax_t kLargestFile = uintmax_t(1) << 20;  // bytes

Recipe::Value value_of(const toml::node& node, const std::string& key, const std::string& origin) {
  if (auto v = node.as_boolean()) return v->get();
  if (auto v = node.as_integer()) return v->get();
  if (auto v = node.as_floating_point())
    return v->get();  // the range of a key excludes nan and inf
  if (auto v = node.as_string()) return v->get();
  if (auto a = node.as_array()) {
    std::vector<int64_t> list;
    for (auto& e : *a) {
      if (!e.is_integer())
        fail(ErrorKind::usage, "recipe ", origin, ": ", key, " must be a list of integers");
      list.push_back(e.as_integer()->get());
    }
    return list;
  }
  fail(ErrorKind::usage, "recipe ", origin, ": ", key,
       " must be a number, a text, true or false, or a list of integers");
}

std::string text_of(double v) {  // the shortest that reads back as the same number, in any locale
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, v).ptr;
  std::string s(buffer, end);
  return s.find_first_of(".en") == std::string::npos ? s + ".0" : s;
}

std::string text_of(const std::string& v) {
  std::ostringstream out;
  out << toml::value<std::string>(v);
  return out.str();
}

std::string text_of(bool v) { return v ? "true" : "false"; }
std::string text_of(int64_t v) { return std::to_string(v); }

std::string text_of(const std::vector<int64_t>& v) {
  std::string list;
  for (int64_t i : v) list += (list.empty() ? "" : ", ") + std::to_string(i);
  return "[" + list + "]";
}

}  // namespace

std::string recipe_differences(const std::string& then, const std::string& now) {
  auto values = [](const std::string& text) {
    std::map<std::string, std::string> all;
    for (auto&& [key, node] : toml::parse(text))
      all[std::string(key.str())] = std::visit([](const auto& v) { return text_of(v); },
                                               value_of(node, std::string(key.str()), "saved"));
    return all;
  };
  std::string out;
  try {
    auto old = values(then), fresh = values(now), keys = old;
    keys.insert(fresh.begin(), fresh.end());
    auto said = [](auto& of, auto& key) { return of.count(key) ? of[key] : std::string("none"); };
    for (auto& entry : keys) {
      std::string x = said(old, entry.first), y = said(fresh, entry.first);
      if (x != y) out += entry.first + ": " + x + " then, " + y + " now\n";
    }
  } catch (const toml::parse_error& e) {
    fail(ErrorKind::checkpoint, "recipe: the saved one cannot be read: ", e.description());
  } catch (const Error& e) {
    fail(ErrorKind::checkpoint, "recipe: the saved one cannot be read: ", e.what());
  }
  return out;
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t least = 2 * std::max<size_t>(2, word.size() / 2) + 1;  // in halves of an edit
  for (const std::string& c : candidates) {
    std::vector<size_t> row(c.size() + 1);  // Levenshtein distance, one row at a time
    std::iota(row.begin(), row.end(), size_t(0));
    for (size_t i = 0; i < word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < c.size(); ++j) {
        size_t above = row[j + 1];
        row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (word[i] != c[j])});
        diagonal = above;
      }
    }
    size_t cost = least;
    for (size_t j = 0; j <= c.size(); ++j)  // the word for the first j letters of the candidate
      if (row[j] < word.size()) cost = std::min(cost, 2 * row[j] + (c.size() - j));
    if (cost < least) least = cost, best = c;
  }
  return best;
}

Recipe::Recipe(const std::string& name_or_file) {
  std::vector<std::string> names;
  for (const EmbeddedRecipe& r : embedded_recipes()) {
    if (r.name == name_or_file) {
      *this = parse(r.text, r.name);
      return;
    }
    names.push_back(r.name);
  }
  std::error_code none;
  if (!std::filesystem::is_regular_file(name_or_file, none)) {
    std::string near = nearest(name_or_file, names);
    fail(ErrorKind::usage, "recipe: ", name_or_file,
         " is neither a file nor a recipe inside the program",
         near.empty() ? "" : "; did you mean " + near + "?", " (`autodidact recipes` lists them)");
  }
  if (std::filesystem::file_size(name_or_file) > kLargestFile)
    fail(ErrorKind::usage, "recipe ", name_or_file, ": larger than ", kLargestFile, " bytes");
  std::ifstream file(name_or_file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) fail(ErrorKind::usage, "recipe ", name_or_file, ": cannot be read");
  *this = parse(text, name_or_file);
}

Recipe Recipe::parse(const std::string& text, const std::string& origin) {
  Recipe recipe;
  try {
    for (auto&& [key, node] : toml::parse(text, origin)) {
      std::string name(key.str());
      recipe.values_[name] = {value_of(node, name, origin), origin, ""};
    }
  } catch (const toml::parse_error& e) {
    fail(ErrorKind::usage, "recipe ", origin, ", line ", e.source().begin.line, ", column ",
         e.source().begin.column, ": ", e.description());
  }
  return recipe;
}

void Recipe::set(const std::string& assignment) {
  size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    fail(ErrorKind::usage, "--set needs key=value, got ", assignment);
  std::string key = assignment.substr(0, equals), text = assignment.substr(equals + 1);
  values_[key] = {text, "--set", text};
  try {
    toml::table table = toml::parse("v = " + text);
    if (table.size() == 1) values_[key].value = value_of(*table.get("v"), key, "--set");
  } catch (const toml::parse_error&) {
  } catch (const Error&) {}
}

void Recipe::Taker::take(const std::string& name) {
  auto found = from_.values_.find(name);
  if (found == from_.values_.end() || !to_.values_.insert(*found).second) return;
  taken.push_back(name + " = " +
                  std::visit([](const auto& v) { return text_of(v); }, found->second.value));
}

void Recipe::check_all_known() const {
  for (auto& [key, given] : values_)
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      std::string near = nearest(key, known_);
      fail(ErrorKind::usage, "recipe ", given.origin, ": unknown key ", key,
           near.empty() ? "" : "; did you mean " + near + "?");
    }
}

std::string Recipe::completed(std::string resolved) const {
  try {
    const Recipe then = parse(resolved, "saved");
    for (auto& [key, initial] : initial_)
      if (!then.has(key)) resolved += key + " = " + initial + "\n";
  } catch (const Error&) {}  // recipe_differences will say what is wrong with it
  return resolved;
}

template <class T>
const T* Recipe::Reader::find(const char* name, const T& initial, const char* type) {
  check(std::find(recipe_.known_.begin(), recipe_.known_.end(), name) == recipe_.known_.end(),
        "recipe: the key ", name, " is declared twice");
  recipe_.known_.push_back(name);
  recipe_.initial_[name] = text_of(initial);
  auto found = recipe_.values_.find(name);
  if (found == recipe_.values_.end()) return nullptr;
  if constexpr (std::is_same_v<T, std::string>)
    if (!found->second.raw.empty() && !std::holds_alternative<T>(found->second.value))
      found->second.value = found->second.raw;
  const T* v = std::get_if<T>(&found->second.value);
  if (!v) fail(ErrorKind::usage, "recipe ", found->second.origin, ": ", name, " must be ", type);
  return v;
}

void Recipe::Reader::resolve(const char* name, const std::string& value, const char* meaning) {
  std::string line = std::string(name) + " = " + value;
  line.resize(std::max<size_t>(line.size(), 36), ' ');
  recipe_.resolved_ += line + "  # " + meaning + "\n";
}

void Recipe::Reader::operator()(const char* name, int64_t& v, const char* meaning, int64_t least,
                                int64_t most) {
  if (auto given = find<int64_t>(name, v, "an integer")) v = *given;
  if (v < least || v > most)
    fail(ErrorKind::usage, "recipe: ", name, " must be from ", least, " to ", most, ", got ", v);
  resolve(name, text_of(v), meaning);
}

void Recipe::Reader::operator()(const char* name, double& v, const char* meaning, double least,
                                double most) {
  // 1 is as good as 1.0.
  if (auto it = recipe_.values_.find(name); it != recipe_.values_.end())
    if (auto whole = std::get_if<int64_t>(&it->second.value)) it->second.value = double(*whole);
  if (auto given = find<double>(name, v, "a number")) v = *given;
  if (!(v >= least && v <= most))
    fail(ErrorKind::usage, "recipe: ", name, " must be from ", least, " to ", most, ", got ", v);
  resolve(name, text_of(v), meaning);
}

void Recipe::Reader::operator()(const char* name, bool& v, const char* meaning) {
  if (auto given = find<bool>(name, v, "true or false")) v = *given;
  resolve(name, text_of(v), meaning);
}

void Recipe::Reader::operator()(const char* name, std::string& v, const char* meaning,
                                std::initializer_list<const char*> choices) {
  if (auto given = find<std::string>(name, v, "a text")) v = *given;
  if (choices.size() && std::find(choices.begin(), choices.end(), v) == choices.end()) {
    std::string list;
    for (const char* c : choices) list += (list.empty() ? "" : ", ") + std::string(c);
    fail(ErrorKind::usage, "recipe: ", name, " must be one of ", list, ", got ", v);
  }
  resolve(name, text_of(v), meaning);
}

void Recipe::Reader::operator()(const char* name, std::vector<int64_t>& v, const char* meaning) {
  if (auto given = find<std::vector<int64_t>>(name, v, "a list of integers")) v = *given;
  resolve(name, text_of(v), meaning);
}

}  // namespace autodidact
