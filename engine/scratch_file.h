// ScratchFile: working memory on a disk, for what is larger than memory should hold. A mapped file
// without a name: the system writes its pages out and drops them as it likes, and nothing is left
// of it after the process, however that ends.
#pragma once
#include <cstddef>
#include <string>

namespace autodidact {

class ScratchFile {
 public:
  // The room is taken at once. ErrorKind::failure names the folder, the bytes and the cause.
  ScratchFile(const std::string& folder, size_t bytes);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

}  // namespace autodidact
