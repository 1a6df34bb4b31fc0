// Ahead: memory that is read soon, taken a line at a time and fetched between products. A processor
// fetches ahead by itself along a row, but not from the end of one to the begin of the next.
#pragma once
#include <cstdint>

namespace autodidact {

class Ahead {
 public:
  // After what is listed so far: `rows` of `bytes`, `pitch` bytes apart; at most kAreas times.
  void then(const void* from, int64_t pitch, int64_t bytes, int64_t rows) {
    if (rows > 0 && bytes > 0)
      areas_[count_++] = {static_cast<const char*>(from), pitch, bytes, rows};
  }
  bool empty() const { return area_ == count_; }
  // Up to n lines; how many there were.
  int take(const char** lines, int n) {
    int taken = 0;
    while (taken < n && !empty()) {
      Area& a = areas_[area_];
      for (; taken < n && done_ < a.bytes; done_ += kLine) lines[taken++] = a.row + done_;
      if (done_ < a.bytes) break;
      done_ = 0, a.row += a.pitch;
      if (--a.rows == 0) ++area_;
    }
    return taken;
  }

 private:
  static constexpr int kAreas = 2;
  static constexpr int64_t kLine = 64;
  struct Area {
    const char* row;
    int64_t pitch, bytes, rows;
  };
  Area areas_[kAreas];
  int count_ = 0, area_ = 0;
  int64_t done_ = 0;  // bytes of the row
};

}  // namespace autodidact
