// What a run says on standard error and in log.txt. On a terminal one line is redrawn with loss,
// rate and time left; elsewhere it is a plain line now and then.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace autodidact {

enum class Loudness { quiet, normal };

class Progress {
 public:
  explicit Progress(Loudness loudness = Loudness::normal);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void log_to(const std::string& path);   // appends to it from now on
  void say(const std::string& message);   // shown unless quiet
  void warn(const std::string& message);  // shown always
  // done of total units (pictures); `what` is shown before the rate: "epoch 3/10  loss 1.234".
  // Cheap to call every step.
  void update(int64_t done, int64_t total, const std::string& what);
  void finish();  // ends the redrawn line

 private:
  void line(const std::string& text, bool shown, const char* colour);
  Loudness loudness_;
  bool terminal_, colour_;
  bool drawn_ = false;
  std::FILE* log_ = nullptr;
  std::chrono::steady_clock::time_point begin_, last_shown_;
  int64_t first_done_ = -1;
};

std::string duration_text(double seconds);  // 45 s, 3 min 20 s, 2 h 05 min

}  // namespace autodidact
