#include "engine/scratch_file.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include "engine/check.h"

namespace autodidact {

ScratchFile::ScratchFile(const std::string& folder, size_t bytes)
    : bytes_(std::max<size_t>(bytes, 1)) {
  std::string name = folder + "/.scratch.tmp-XXXXXX";
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  int error = fd < 0 ? errno : 0;
  if (fd >= 0) {
    unlink(name.c_str());
    // A hole would be filled when it is first written, where a full disk is a signal.
    do error = fallocate(fd, 0, 0, off_t(bytes_)) ? errno : 0;
    while (error == EINTR);
    if (!error) {
      data_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (data_ == MAP_FAILED) error = errno;
    }
    close(fd);  // the mapping keeps the file
  }
  if (error)
    fail(ErrorKind::failure, folder, ": cannot hold ", bytes,
         " bytes of working memory: ", std::strerror(error));
}

ScratchFile::~ScratchFile() { munmap(data_, bytes_); }

}  // namespace autodidact
