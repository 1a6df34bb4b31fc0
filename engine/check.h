// check(condition, parts...): the one place that makes an error. Text: "op: what must hold, what
// was given".
#pragma once
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace autodidact {

// The kinds of failure a caller can act on; the program turns them into its exit codes.
enum class ErrorKind {
  failure = 1,
  usage = 2,
  data = 3,
  numerical = 4,
  device = 5,
  checkpoint = 6
};

struct Error : std::runtime_error {
  Error(ErrorKind k, const std::string& what) : std::runtime_error(what), kind(k) {}
  ErrorKind kind;
};

template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(kind, text.str());
}

template <class... Parts>
void check(bool holds, const Parts&... parts) {
  if (!holds) [[unlikely]]
    fail(ErrorKind::failure, parts...);
}

}  // namespace autodidact
