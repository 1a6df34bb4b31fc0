// Arena: where tensor memory comes from. One reserved range of address space, best fit over its
// free intervals, 256-byte alignment, release is immediate (order on one queue is order in time).
// in_use and peak are exact. The same class serves the CPU and the GPU; what differs is under
// Pages.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>
#include "engine/check.h"

namespace autodidact {

// A range of addresses, and memory under those chunks of it that are in use.
class Pages {
 public:
  Pages(char* base, size_t range, size_t chunk) : base_(base), range_(range), chunk_(chunk) {}
  virtual ~Pages() = default;
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  char* base() const { return base_; }
  size_t range() const { return range_; }  // bytes, a multiple of chunk()
  size_t chunk() const { return chunk_; }

  virtual bool map(size_t chunk) = 0;  // false: there is no memory left
  virtual void unmap(size_t chunk) = 0;
  virtual void fill(char* p, int byte, size_t bytes) = 0;
  virtual void read(void* to, const char* p, size_t bytes) = 0;
  virtual ErrorKind kind() const { return ErrorKind::failure; }  // of being out of memory

 private:
  char* base_;
  size_t range_, chunk_;
};

class Arena {
 public:
  static constexpr size_t kAlignment = 256;
  static constexpr size_t kGuard = 256;  // bytes before and after a block when guards are on

  explicit Arena(size_t limit);  // host memory, at most `limit` bytes in use at a time
  Arena(std::unique_ptr<Pages> pages, size_t limit);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Throws Error: by whom how many bytes were asked, in use, peak, limit.
  void* allocate(size_t bytes, const char* op = __builtin_FUNCTION());
  void release(void* p);
  size_t in_use() const;  // bytes, blocks rounded up to the alignment
  size_t peak() const;
  void reset_peak();
  void give_back();  // returns the chunks that hold nothing to the system
  // Until growth is allowed again no memory is added: a captured step must find all it needs.
  void allow_growth(bool on);
  // Makes sure of so many bytes in one piece beyond what is mapped now.
  void grow(size_t bytes);
  bool owns(const void* p) const;

  // For tests: new blocks are filled with 0xff (NaN in every float type) and fenced by guard zones.
  // check_guards throws if a zone was written to, of a live block or of one released since the last
  // call.
  void set_guards(bool on);
  void check_guards();

 private:
  struct Block {
    size_t begin, size;
    bool guarded;
    size_t asked;
  };
  std::string broken_guard(const Block& b) const;
  void insert_free(size_t begin, size_t size);
  bool map(size_t begin, size_t size);
  void unmap_free();
  std::unique_ptr<Pages> pages_;
  char* base_;
  size_t limit_, in_use_ = 0, peak_ = 0;
  size_t poisoned_ = 0;  // bytes from base_ that the address sanitizer has been told of
  bool guards_ = false, may_grow_ = true;
  std::vector<bool> mapped_;                // by chunk
  std::string damage_;                      // the last broken guard zone of a released block
  std::map<size_t, size_t> free_by_begin_;  // begin -> size
  std::set<std::pair<size_t, size_t>>
      free_by_size_;  // (size, begin): the first that fits is the best
  std::unordered_map<void*, Block> live_;
  mutable std::mutex mutex_;
};

const std::shared_ptr<Arena>& cpu_memory();  // limit: the machine's memory
inline Arena& cpu_arena() { return *cpu_memory(); }

}  // namespace autodidact
