#include "train/metrics.h"
#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include "engine/check.h"
#include "engine/durable_file.h"

namespace autodidact {

std::string json_number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

std::string json_text(const MetricsFile::Line& line) {
  std::string out = "{";
  auto quoted = [](const std::string& s) {
    return nlohmann::json(s).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  for (auto& [key, value] : line) {
    out += (out.size() > 1 ? ", " : "") + quoted(key) + ": ";
    if (auto n = std::get_if<int64_t>(&value)) out += std::to_string(*n);
    else if (auto x = std::get_if<double>(&value)) out += json_number(*x);
    else out += quoted(std::get<std::string>(value));
  }
  return out + "}";
}

MetricsFile::MetricsFile(const std::string& path, int64_t lines) : path_(path) {
  uintmax_t keep = 0;  // bytes
  if (lines > 0) {
    std::ifstream file(path, std::ios::binary);
    for (std::string text; lines_ < lines && std::getline(file, text) && !file.eof(); ++lines_)
      keep += text.size() + 1;
    if (lines_ < lines)
      fail(ErrorKind::checkpoint, path, ": the checkpoint was written after line ", lines,
           ", the file has ", lines_, "; put it back, or start again with --overwrite");
  }
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(ErrorKind::failure, path, ": cannot be opened: ", std::strerror(errno));
  if (ftruncate(fd_, off_t(keep)) != 0) {
    int error = errno;
    close(fd_);
    fail(ErrorKind::failure, path, ": cannot be cut: ", std::strerror(error));
  }
}

MetricsFile::~MetricsFile() { close(fd_); }

void MetricsFile::write(const Line& line) {
  std::string text = json_text(line) + "\n";
  for (size_t done = 0; done < text.size();) {
    ssize_t n = ::write(fd_, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      fail(ErrorKind::failure, path_, ": cannot be written: ", std::strerror(n < 0 ? errno : EIO));
    done += size_t(n);
  }
  ++lines_;
}

void MetricsFile::sync() {
  while (fsync(fd_) != 0)
    if (errno != EINTR)
      fail(ErrorKind::failure, path_, ": cannot be synced to the disk: ", std::strerror(errno));
}

std::vector<std::map<std::string, double>> read_metrics(const std::string& path) {
  std::vector<std::map<std::string, double>> all;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorKind::data, path, ": cannot be opened");
  for (std::string text; std::getline(file, text) && !file.eof();) {
    auto object = nlohmann::json::parse(text, nullptr, false);
    if (!object.is_object())
      fail(ErrorKind::data, path, ", line ", all.size() + 1, ": is not a JSON object");
    auto& numbers = all.emplace_back();
    for (auto& [key, value] : object.items())
      if (value.is_number()) numbers[key] = value.get<double>();
  }
  return all;
}

std::vector<std::pair<std::string, double>> last_metrics(const std::string& path) {
  std::map<std::string, double> last;
  for (auto& line : read_metrics(path))
    for (auto& [name, value] : line) last[name] = value;
  for (const char* place : {"step", "epoch", "seconds"}) last.erase(place);
  return {last.begin(), last.end()};
}

}  // namespace autodidact
