// What each byte of memory has seen in this launch: who wrote it, who read it, in which of the
// block's epochs. From this a race is found under any schedule, because it looks at what orders two
// accesses and not at when they happened.
//
//   two blocks:            nothing orders them within a launch
//   two warps of a block:  __syncthreads (an epoch ends)
//   two lanes of a warp:   __syncthreads, or a chain of __syncwarp (Warp::clock)
//   two atomics:           need no order
//   a copy in flight:      its bytes are nobody's until its thread has waited for it (copies.cpp)
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace emulator {

enum class Kind : uint8_t { read, write, atomic };

struct Access {
  uint32_t code = 0;   // where, as source_line.h's short address; 0: there was none
  uint32_t clock = 0;  // the thread's step (Warp::clock)
  uint32_t thread = 0;
};

// Accesses of one kind by several threads in one epoch, none of which orders the others. Two of
// different warps conflict with whatever thread comes next; below that, all lanes of a warp are
// kept.
struct Group {
  Access one, other;   // `other` is of another warp than `one`
  uint32_t lanes = 0;  // where one's warp has several: index into Shadow::lanes_, from 1
};

struct Past {  // an access by an earlier block
  uint32_t code = 0, block = 0;
};

struct Cell {
  uint32_t launch = 0, block = 0, epoch = 0;
  Access write;  // in this epoch, and the reads and atomics since
  Group reads, atomics;
  Access copy;            // the cp.async that will write here
  uint32_t code[3] = {};  // by Kind: the last such access by this block, in any epoch
  Past past[3];           // by Kind
};

// A cp.async is a write twice: issued, it must come after every earlier access; landed, it is what
// later ones must come after.
enum class Phase : uint8_t { access, copy_issued, copy_landed };

class Shadow {
 public:
  void begin_launch();
  void access(uintptr_t address, size_t bytes, Kind kind, Phase phase, void* return_address);
  void forbid(uintptr_t begin, size_t bytes);
  void permit(uintptr_t begin);
  const std::vector<std::string>& findings() const { return findings_; }

 private:
  // 4 KiB of memory, in cells of `unit` bytes: 4 until an access is narrower or not aligned.
  struct Page {
    unsigned unit = 4;
    bool has_forbidden = false;
    std::vector<Cell> cells;
  };
  struct Lanes {
    uint32_t mask, clock[32], code[32];
  };
  static constexpr uintptr_t kPage = 4096;

  Page& page(uintptr_t number);
  void access_in_page(Page&, uintptr_t address, size_t bytes, Kind, Phase, uint32_t code);
  void check(Cell&, uintptr_t address, Kind, Phase, const Access&);
  void check_group(const Group&, uintptr_t address, Kind, Kind was, const Access&);
  void add(Group&, const Access&);
  bool ordered(const Access& before) const;
  void race(uintptr_t address, Kind kind, uint32_t code, Kind was, uint32_t was_code,
            const std::string& was_who, const std::string& why);
  void find(std::pair<uint32_t, uint32_t> places, const std::string& text);

  std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages_;
  uintptr_t last_number_ = 0;
  Page* last_ = nullptr;
  std::vector<Lanes> lanes_;
  uint32_t lanes_block_ = 0, lanes_epoch_ = 0;
  std::unordered_map<uintptr_t, size_t> forbidden_;
  std::vector<std::string> findings_;
  std::set<std::pair<uint32_t, uint32_t>> found_;
};

Shadow& shadow();

extern bool watching;  // set by instrumented files when they are loaded
// An access by device code; nothing while no kernel runs on this host thread.
void note(const volatile void* address, size_t bytes, Kind kind, void* return_address);
// While it lives, accesses are the emulator's own and nobody's business. (The library's functions
// and memcpy are shared with instrumented code.)
class OwnMemory {
 public:
  OwnMemory();
  ~OwnMemory();

 private:
  bool before_;
};
void note_copy(const void* to, size_t bytes, bool landed, void* return_address);

}  // namespace emulator
