// metrics.jsonl: one JSON object a line, keys in the order they are given, numbers in any locale
// the shortest text that reads back as the same value. A line is written and flushed at once.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace autodidact {

class MetricsFile {
 public:
  using Value = std::variant<int64_t, double, std::string>;
  using Line = std::vector<std::pair<std::string, Value>>;

  // Keeps the first `lines` lines of what is there: a resumed run passes its checkpoint's
  // metrics_lines. ErrorKind::checkpoint if there are fewer.
  MetricsFile(const std::string& path, int64_t lines);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  // A value that is not finite becomes null (JSON has none). Put what depends on time last: runs
  // are compared without it.
  void write(const Line& line);
  void sync();  // to the disk; before a checkpoint that counts the lines
  int64_t lines() const { return lines_; }

 private:
  std::string path_;
  int fd_ = -1;
  int64_t lines_ = 0;
};

std::string json_text(const MetricsFile::Line& line);
std::string json_number(double value);  // "null" where it is not finite

// The numbers of every complete line; a torn last line is left out. ErrorKind::data: not JSON
// lines.
std::vector<std::map<std::string, double>> read_metrics(const std::string& path);
// The last value of each metric, by name; without what a line says of its place (step, epoch,
// seconds).
std::vector<std::pair<std::string, double>> last_metrics(const std::string& path);

}  // namespace autodidact
