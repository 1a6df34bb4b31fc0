#include "train/progress.h"
#include <sys/ioctl.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fmt/core.h>
#include "engine/check.h"

namespace autodidact {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kRedraw = 0.2;    // seconds between drawings on a terminal
constexpr double kPlainLine = 15;  // seconds between lines elsewhere
constexpr const char* kYellow = "\033[33m";
constexpr const char* kPlain = "\033[0m";

double since(Clock::time_point t) {
  return std::chrono::duration<double>(Clock::now() - t).count();
}

bool set(const char* variable) {
  const char* v = std::getenv(variable);
  return v && *v;
}

// Columns of the terminal; 80 where it does not say.
size_t width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string duration_text(double seconds) {
  auto s = int64_t(seconds + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s % 3600 / 60);
}

Progress::Progress(Loudness loudness) : loudness_(loudness), begin_(Clock::now()) {
  const char* term = std::getenv("TERM");
  bool dumb = term && std::strcmp(term, "dumb") == 0;
  terminal_ = isatty(STDERR_FILENO) && !dumb;
  colour_ = terminal_ && !set("NO_COLOR");
}

Progress::~Progress() {
  finish();
  if (log_) std::fclose(log_);
}

void Progress::log_to(const std::string& path) {
  if (log_) std::fclose(log_);
  log_ = std::fopen(path.c_str(), "ae");
  if (!log_) fail(ErrorKind::failure, path, ": cannot be opened: ", std::strerror(errno));
}

// The log has every message with its time of day; a terminal has those that are asked for.
void Progress::line(const std::string& text, bool shown, const char* colour) {
  if (log_) {
    std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char stamp[32];
    std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
    std::fprintf(log_, "%s %s\n", stamp, text.c_str());
    std::fflush(log_);
  }
  if (!shown) return;
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
  if (colour && colour_) std::fprintf(stderr, "%s%s%s\n", colour, text.c_str(), kPlain);
  else std::fprintf(stderr, "%s\n", text.c_str());
}

void Progress::say(const std::string& m) { line(m, loudness_ != Loudness::quiet, nullptr); }
void Progress::warn(const std::string& m) { line("warning: " + m, true, kYellow); }

void Progress::update(int64_t done, int64_t total, const std::string& what) {
  bool first = first_done_ < 0;
  if (first) begin_ = Clock::now(), first_done_ = done, last_shown_ = begin_;
  if (done < total && since(last_shown_) < (terminal_ ? kRedraw : kPlainLine)) return;
  last_shown_ = Clock::now();
  double seconds = since(begin_), rate = seconds > 0 ? double(done - first_done_) / seconds : 0;
  std::string text = what;
  if (rate > 0)
    text += fmt::format("  {:.0f}/s  {} left", rate, duration_text(double(total - done) / rate));
  if (!terminal_) return line(text, loudness_ != Loudness::quiet, nullptr);
  if (loudness_ == Loudness::quiet) return;
  std::fprintf(stderr, "\r\033[K%s", text.substr(0, width() - 1).c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::finish() {
  if (drawn_) std::fputc('\n', stderr);
  drawn_ = false;
  first_done_ = -1;
}

}  // namespace autodidact
