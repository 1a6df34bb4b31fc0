// Whole files in and out of memory, with the reason when that fails.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace autodidact {

using Bytes = std::span<const uint8_t>;

// A regular file that is read in parts, from any thread.
class FileParts {
 public:
  explicit FileParts(const std::string& path);  // ErrorKind::data: missing, not a regular file
  ~FileParts();
  FileParts(const FileParts&) = delete;
  FileParts& operator=(const FileParts&) = delete;
  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }  // bytes, when it was opened
  // Bytes [offset, offset + bytes). ErrorKind::data: unreadable, or shorter than it was.
  void read(uint8_t* to, int64_t offset, int64_t bytes) const;

 private:
  std::string path_;
  int fd_;
  int64_t size_;
};

// The content of a regular file of at most max_bytes. ErrorKind::data: missing, unreadable, not a
// regular file, too large, or changed in size while it was read.
std::vector<uint8_t> read_bytes(const std::string& path, int64_t max_bytes);

// Writes or replaces path, whole or not at all (engine/durable_file.h).
void write_bytes(const std::string& path, Bytes bytes);
// The same without waiting for the disk, for the many files of a new folder: what cannot be written
// (ErrorKind::failure) may be there in part.
void write_quickly(const std::string& path, Bytes bytes);

// ErrorKind::usage where something is at path and it is not to be overwritten.
void refuse_existing(const std::string& path, bool overwrite);

}  // namespace autodidact
