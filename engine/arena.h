// Arena: where tensor memory comes from. One reserved range of address space, best fit over its
// free intervals, 256-byte alignment, release is immediate (order on one queue is order in time).
// in_use and peak are exact.
#pragma once
#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

namespace autodidact {

class Arena {
 public:
  static constexpr size_t kAlignment = 256;
  static constexpr size_t kGuard = 256;  // bytes before and after a block when guards are on

  explicit Arena(size_t limit);  // at most `limit` bytes in use at a time
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  void* allocate(size_t bytes);  // throws Error (failure): bytes asked, in use, peak, limit
  void release(void* p);
  size_t in_use() const;  // bytes, blocks rounded up to the alignment
  size_t peak() const;
  void reset_peak();
  void give_back();  // returns the pages of free intervals to the system

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
  char* base_ = nullptr;
  size_t range_ = 0, limit_, in_use_ = 0, peak_ = 0;
  size_t poisoned_ = 0;  // bytes from base_ that the address sanitizer has been told of
  bool guards_ = false;
  std::string damage_;                      // the last broken guard zone of a released block
  std::map<size_t, size_t> free_by_begin_;  // begin -> size
  std::set<std::pair<size_t, size_t>>
      free_by_size_;  // (size, begin): the first that fits is the best
  std::unordered_map<void*, Block> live_;
  mutable std::mutex mutex_;
};

Arena& cpu_arena();  // limit: the machine's memory

}  // namespace autodidact
