// Ahead: memory that is read soon, taken a line at a time and fetched between products. A processor
// fetches ahead by itself along a row, but not from the end of one to the begin of the next.
#pragma once
#include <cstdint>

namespace autodidact {

class Ahead {
 public:
  Ahead() = default;
  // `rows` of `bytes`, `pitch` bytes apart.
  Ahead(const void* from, int64_t pitch, int64_t bytes, int64_t rows)
      : row_(static_cast<const char*>(from)),
        pitch_(pitch),
        bytes_(bytes),
        rows_(bytes > 0 ? rows : 0) {}
  bool empty() const { return rows_ <= 0; }
  // Up to n lines; how many there were.
  int take(const char** lines, int n) {
    int taken = 0;
    while (taken < n && !empty()) {
      lines[taken++] = row_ + done_;
      done_ += kLine;
      if (done_ >= bytes_) done_ = 0, row_ += pitch_, --rows_;
    }
    return taken;
  }

 private:
  static constexpr int64_t kLine = 64;
  const char* row_ = nullptr;
  int64_t pitch_ = 0, bytes_ = 0, rows_ = 0;
  int64_t done_ = 0;  // bytes of the row
};

}  // namespace autodidact
