#include "engine/durable_file.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include "engine/check.h"

namespace autodidact {
namespace fs = std::filesystem;

static std::string directory_of(const std::string& path) {
  std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

DurableFile::DurableFile(const std::string& path, uint64_t bytes_needed)
    : path_(path), needed_(bytes_needed) {
  fs::path p(path);
  temporary_ = (p.parent_path() /
                ("." + p.filename().string() + ".tmp-" + std::to_string(uint64_t(getpid()))))
                   .string();
  struct statvfs room;
  if (needed_ > 0 && statvfs(directory_of(path_).c_str(), &room) == 0 &&
      uint64_t(room.f_bavail) * room.f_frsize < needed_)
    fail_with("cannot be written", ENOSPC);
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  fd_ = open(temporary_.c_str(), flags, 0644);
  if (fd_ < 0 && errno == EEXIST) {  // left by a killed process that had our pid
    unlink(temporary_.c_str());
    fd_ = open(temporary_.c_str(), flags, 0644);
  }
  if (fd_ < 0) fail_with("cannot be created", errno);
}

DurableFile::~DurableFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void DurableFile::fail_with(const char* what, int error) {
  std::string need = needed_ ? " (" + std::to_string(needed_) + " bytes needed)" : "";
  struct statvfs room;
  if (error == ENOSPC && statvfs(directory_of(path_).c_str(), &room) == 0)
    need += ", " + std::to_string(uint64_t(room.f_bavail) * room.f_frsize) + " bytes free";
  fail(ErrorKind::failure, path_, " ", what, ": ", std::strerror(error), need,
       "; what was there before is unchanged");
}

void DurableFile::write(const void* data, size_t bytes) {
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    ssize_t n = ::write(fd_, p, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail_with("cannot be written", n < 0 ? errno : EIO);
    p += n, bytes -= size_t(n);
  }
}

void DurableFile::commit(const std::function<void(const std::string&)>& verify) {
  while (fsync(fd_) != 0)
    if (errno != EINTR) fail_with("cannot be synced to the disk", errno);
  int fd = fd_;
  fd_ = -1;
  if (close(fd) != 0) fail_with("cannot be closed", errno);
  if (verify) verify(temporary_);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail_with("cannot be replaced", errno);
  temporary_.clear();
  // The new name is durable only when its directory is. File systems that cannot sync a directory
  // say EINVAL.
  int dir = open(directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) fail(ErrorKind::failure, path_, ": its directory cannot be opened to be synced");
  int synced = fsync(dir), error = errno;
  close(dir);
  if (synced != 0 && error != EINVAL)
    fail(ErrorKind::failure, path_, ": its directory cannot be synced: ", std::strerror(error));
}

void write_durably(const std::string& path, std::string_view text) {
  DurableFile file(path, text.size());
  file.write(text);
  file.commit();
}

void remove_temporaries(const std::string& directory) {
  std::error_code ignored;
  for (auto& entry : fs::directory_iterator(directory, ignored)) {
    std::string name = entry.path().filename().string();
    if (name[0] == '.' && name.find(".tmp-") != std::string::npos) fs::remove(entry, ignored);
  }
}

int open_regular(const std::string& path, const std::string& name, uint64_t& size) {
  // O_NONBLOCK: otherwise opening a named pipe waits for a writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail(ErrorKind::data, name, ": cannot be opened: ", std::strerror(errno));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    fail(ErrorKind::data, name, ": is not a regular file");
  }
  size = uint64_t(info.st_size);
  return fd;
}

std::string read_text(const std::string& path, size_t limit) {
  std::FILE* f = std::fopen(path.c_str(), "rbe");
  if (!f) fail(ErrorKind::data, path, ": cannot be opened: ", std::strerror(errno));
  std::string text;
  char block[65536];
  for (size_t n; text.size() <= limit && (n = std::fread(block, 1, sizeof block, f)) > 0;)
    text.append(block, n);
  bool failed = std::ferror(f);
  std::fclose(f);
  if (failed) fail(ErrorKind::data, path, ": cannot be read");
  if (text.size() > limit) fail(ErrorKind::data, path, ": is larger than ", limit, " bytes");
  return text;
}

}  // namespace autodidact
