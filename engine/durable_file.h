// DurableFile: a file that appears whole or not at all, and survives a power cut once commit() has
// returned. It is written under a temporary name in the same directory, synced, renamed over the
// target, and the directory is synced. Until then the old file stays as it was; whatever fails, the
// temporary file is removed.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace autodidact {

class DurableFile {
 public:
  // Creates DIR/.NAME.tmp-PID. Errors (ErrorKind::failure) name the path, the cause and, where
  // `bytes_needed` is known, how much room the file takes.
  explicit DurableFile(const std::string& path, uint64_t bytes_needed = 0);
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // verify(temporary path) runs after the data is on the disk and before the old file is replaced;
  // what it throws leaves the old file in place.
  void commit(const std::function<void(const std::string&)>& verify = {});

 private:
  [[noreturn]] void fail_with(const char* what, int error);
  std::string path_, temporary_;
  uint64_t needed_;
  int fd_ = -1;
};

void write_durably(const std::string& path, std::string_view text);
// Removes what interrupted writers left in a directory: files named .*.tmp-PID. Call it only where
// no writer can be at work.
void remove_temporaries(const std::string& directory);
// A regular file to be read, and its size; a named pipe is refused without waiting for a writer.
// ErrorKind::data calls it `name`. The caller closes it.
int open_regular(const std::string& path, const std::string& name, uint64_t& size);
// The whole of a small file; ErrorKind::data when it cannot be read or is larger than `limit`.
std::string read_text(const std::string& path, size_t limit = size_t(1) << 20);

}  // namespace autodidact
