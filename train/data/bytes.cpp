#include "train/data/bytes.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include "engine/check.h"
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

std::vector<uint8_t> read_bytes(const std::string& path, int64_t max_bytes) {
  // O_NONBLOCK: a named pipe in a data folder must not stop the run.
  File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info;
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0)
    fail(ErrorKind::data, printable(path), ": cannot be opened: ", std::strerror(errno));
  if (!S_ISREG(info.st_mode)) fail(ErrorKind::data, printable(path), ": is not a regular file");
  if (info.st_size > max_bytes)
    fail(ErrorKind::data, printable(path), ": has ", info.st_size, " bytes, the limit is ",
         max_bytes);
  std::vector<uint8_t> bytes(size_t(info.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = ::read(file.fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(ErrorKind::data, printable(path), ": cannot be read: ", std::strerror(errno));
    if (n == 0)
      fail(ErrorKind::data, printable(path), ": ended after ", done, " of its ", bytes.size(),
           " bytes (is it being written?)");
    done += size_t(n);
  }
  return bytes;
}

void write_bytes(const std::string& path, Bytes bytes) {
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

}  // namespace autodidact
