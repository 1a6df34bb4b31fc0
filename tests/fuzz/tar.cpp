// libFuzzer: any bytes are a tar archive, whose files lie inside of it one behind another, or an
// Error.
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include "engine/check.h"
#include "train/data/tar.h"

using namespace autodidact;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The reader takes files: one in memory where the system has such a folder.
  static const std::string path = (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") +
                                  ("/fuzz-tar-" + std::to_string(getpid()));
  static const bool registered = std::atexit([] { std::remove(path.c_str()); }) == 0;
  (void)registered;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file || std::fwrite(data, 1, size, file) != size || std::fclose(file) != 0) std::abort();
  try {
    const FileParts archive(path);
    int64_t end = 0;
    each_file_in_tar(archive, [&](const TarFile& f) {
      const bool sound = f.size >= 0 && f.offset >= end + 512 && f.offset % 512 == 0 &&
                         f.size <= archive.size() - f.offset;
      if (!sound) std::abort();
      end = f.offset + f.size;
    });
  } catch (const Error& e) {
    if (e.kind != ErrorKind::data) std::abort();
  }
  return 0;
}
