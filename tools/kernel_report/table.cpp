#include "tools/kernel_report/table.h"
#include <cctype>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace kernel_report {
namespace {

using Variables = std::map<std::string, double>;

std::string trimmed(const std::string& s) {
  size_t begin = s.find_first_not_of(' '), end = s.find_last_not_of(' ');
  return begin == s.npos ? "" : s.substr(begin, end - begin + 1);
}

// Sums and products of numbers and variables, min(a, b), max(a, b); / is exact.
class Expression {
 public:
  Expression(const std::string& text, const Variables& variables)
      : text_(text), variables_(variables) {}
  double value() {
    double v = sum();
    if (peek() != 0) fail("expected an operator");
    return v;
  }

 private:
  [[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error("'" + text_ + "': " + what + " at column " + std::to_string(at_ + 1));
  }
  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(std::string("expected ") + c);
  }
  double sum() {
    double v = product();
    for (;;)
      if (take('+')) v += product();
      else if (take('-')) v -= product();
      else return v;
  }
  double product() {
    double v = factor();
    for (;;)
      if (take('*')) v *= factor();
      else if (take('/')) v /= factor();
      else return v;
  }
  double factor() {
    if (take('(')) {
      double v = sum();
      expect(')');
      return v;
    }
    if (std::isdigit(peek())) {
      size_t length;
      double v = std::stod(text_.substr(at_), &length);
      at_ += length;
      return v;
    }
    size_t begin = at_;
    while (at_ < text_.size() && std::isalnum(text_[at_])) ++at_;
    std::string name = text_.substr(begin, at_ - begin);
    if (name == "min" || name == "max") {
      expect('(');
      double a = sum();
      expect(',');
      double b = sum();
      expect(')');
      return (name == "min") == (a < b) ? a : b;
    }
    auto found = variables_.find(name);
    if (found == variables_.end()) fail("unknown variable '" + name + "'");
    return found->second;
  }

  const std::string& text_;
  const Variables& variables_;
  size_t at_ = 0;
};

// What stands in the kernel's <>.
std::string template_arguments(const std::string& name) {
  std::string head = name.substr(0, name.find('('));
  size_t begin = head.find('<'), end = head.rfind('>');
  return begin == head.npos ? "" : head.substr(begin + 1, end - begin - 1);
}
Variables variables_of(const Row& row, const std::string& name) {
  Variables v{{"s", 4}};
  int numbers = 0, flags = 0, types = 0;
  std::string arguments = template_arguments(name);
  const std::regex word("\\b(\\d+|true|false|float|double|bf16|int)\\b");
  for (std::sregex_iterator it(arguments.begin(), arguments.end(), word), end; it != end; ++it) {
    std::string s = it->str();
    if (std::isdigit(s[0])) v["i" + std::to_string(++numbers)] = std::stod(s);
    else if (s == "true" || s == "false") v["b" + std::to_string(++flags)] = s == "true";
    else v["t" + std::to_string(++types)] = s == "bf16" ? 2 : s == "double" ? 8 : 4;
  }
  if (types > 0) v["s"] = v["t1"];
  std::istringstream shape(row.shape);
  for (std::string assignment; shape >> assignment;) {
    size_t equals = assignment.find('=');
    if (equals == assignment.npos) throw std::runtime_error("shape: no = in " + assignment);
    v[assignment.substr(0, equals)] = std::stod(assignment.substr(equals + 1));
  }
  return v;
}

}  // namespace

std::vector<Row> read_table(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) throw std::runtime_error(file + " cannot be read");
  std::vector<Row> rows;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> cells;
    std::istringstream split(line);
    for (std::string cell; std::getline(split, cell, '|');) cells.push_back(trimmed(cell));
    auto fail = [&](const std::string& what) {
      throw std::runtime_error(file + ":" + std::to_string(number) + ": " + what);
    };
    if (cells.size() != 7) fail("must have 7 cells, has " + std::to_string(cells.size()));
    Row row;
    std::istringstream name(cells[0]), access(cells[6]);
    name >> row.kernel >> row.part;
    row.shape = cells[1], row.threads = cells[2], row.shared = cells[3], row.bytes = cells[4];
    row.flops = cells[5], row.line = number;
    std::string words = cells[6].substr(0, cells[6].find(':'));
    for (char c : words)
      if (c == 'N') row.packs = true;
      else if (c == 'r') row.reads = true;
      else if (c == 'w') row.writes = true;
      else if (c != '-' && c != ' ') fail("16-byte accesses: N, r, w or -, then : and a reason");
    if (cells[6].find(':') != std::string::npos)
      row.reason = trimmed(cells[6].substr(cells[6].find(':') + 1));
    if (!row.reads && !row.writes && row.reason.empty())
      fail("a kernel without 16-byte accesses needs a reason");
    rows.push_back(row);
  }
  return rows;
}

bool is_of(const Row& row, const std::string& file, const std::string& name) {
  std::string kernel = name.substr(0, name.find_first_of("<("));
  if (kernel != row.kernel) return false;
  if (row.part.empty() || row.part == file) return true;
  const size_t at = name.find(row.part);  // not within a word: Softmax is no part of LogSoftmax
  return at != name.npos && (at == 0 || !std::isalnum(name[at - 1]));
}

Work work_of(const Row& row, const std::string& name) {
  Variables v = variables_of(row, name);
  auto value = [&](const std::string& text) { return Expression(text, v).value(); };
  return {int(value(row.threads)), int(value(row.shared)), value(row.bytes), value(row.flops)};
}

bool is_fallback(const Row& row, const std::string& name) {
  if (!row.packs) return false;
  Variables v = variables_of(row, name);
  return v.count("i1") && v["i1"] == 1;
}

}  // namespace kernel_report
