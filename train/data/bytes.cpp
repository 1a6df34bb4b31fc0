#include "train/data/bytes.h"
#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include "engine/check.h"
#include "engine/durable_file.h"
#include "train/data/names.h"

namespace autodidact {
namespace {

struct File {
  int fd;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

FileParts::FileParts(const std::string& path) : path_(path) {
  uint64_t size = 0;
  fd_ = open_regular(path, printable(path), size);
  size_ = int64_t(size);
}
FileParts::~FileParts() { ::close(fd_); }

void FileParts::read(uint8_t* to, int64_t offset, int64_t bytes) const {
  int64_t done = 0;
  while (done < bytes) {
    const ssize_t n = ::pread(fd_, to + done, size_t(bytes - done), offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(ErrorKind::data, printable(path_), ": cannot be read: ", std::strerror(errno));
    if (n == 0)
      fail(ErrorKind::data, printable(path_), ": ended after ", offset + done, " of its ", size_,
           " bytes (is it being written?)");
    done += n;
  }
}

std::vector<uint8_t> read_bytes(const std::string& path, int64_t max_bytes) {
  const FileParts file(path);
  if (file.size() > max_bytes)
    fail(ErrorKind::data, printable(path), ": has ", file.size(), " bytes, the limit is ",
         max_bytes);
  std::vector<uint8_t> bytes(static_cast<size_t>(file.size()));
  file.read(bytes.data(), 0, file.size());
  return bytes;
}

void write_bytes(const std::string& path, Bytes bytes) {
  write_durably(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void write_quickly(const std::string& path, Bytes bytes) {
  File file{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
  if (file.fd < 0)
    fail(ErrorKind::failure, printable(path), ": cannot be written: ", std::strerror(errno));
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::write(file.fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      fail(ErrorKind::failure, printable(path), ": cannot be written after ", done, " of ",
           bytes.size(), " bytes: ", std::strerror(errno));
    done += size_t(n);
  }
  int fd = file.fd;
  file.fd = -1;
  // Some file systems report a full disk or quota only here.
  if (::close(fd) != 0)
    fail(ErrorKind::failure, printable(path), ": cannot be written: ", std::strerror(errno));
}

void refuse_existing(const std::string& path, bool overwrite) {
  std::error_code none;
  if (!overwrite && std::filesystem::exists(path, none))
    fail(ErrorKind::usage, printable(path),
         ": is there already; choose another name or give --overwrite");
}

}  // namespace autodidact
